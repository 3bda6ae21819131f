-- Redis: each method of a connection is a command, and each coroutine gets the answer to its own.
--
-- All coroutines of a service may share one connection: commands go out as they are given, and answers
-- belong to them in order. Encoding and decoding are native (`welkin.resp`); what a connection has sent
-- and no answer has used is kept beside its socket, so it ends with it.

local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local resp = require "welkin.resp"
local limits = require "welkin.db.limits"

local encode, encode_of, encode_pipeline = resp.command, resp.command_of, resp.pipeline
local next_answer, new_reader, unread = resp.next, resp.reader, resp.unread
local unpack = table.unpack

local DEFAULT_PORT = 6379

local redis = {}

-- Answers

-- The request was alone on the connection and nothing has been received since, so whatever is there already is no
-- answer to it.
local function check_fresh(so, reader)
	so.fresh = nil
	if unread(reader) > 0 or so:unread() > 0 then
		error(string.format("redis: the server sent an answer that nobody asked for (%s)", so[1]))
	end
end

local function read_answer(so)
	local reader = so.reader
	if not reader then
		reader = new_reader()
		so.reader = reader
	end
	if so.fresh then
		check_fresh(so, reader)
	end
	local ok, data = next_answer(reader)
	while ok == nil do
		ok, data = next_answer(reader, so:read())
	end
	return ok, data
end

-- skynet's quirk: an error of the server becomes `true` too.
local function read_boolean(so)
	local ok, data = read_answer(so)
	return ok, data ~= 0
end

-- Login

local function login(conf)
	local auth, db = conf.auth, conf.db
	if auth and type(auth) ~= "table" then
		auth = conf.username and { conf.username, auth } or { auth }
	end
	return function(channel)
		if auth then
			channel:request(encode_of("AUTH", auth), read_answer)
		end
		if db ~= nil then
			channel:request(encode("SELECT", db), read_answer)
		end
	end
end

local function new_channel(conf, auth, overload)
	return socketchannel.channel {
		host = conf.host,
		port = conf.port or DEFAULT_PORT,
		auth = auth,
		nodelay = true,
		gather = true,
		overload = overload,
		connect_timeout_ms = limits.connect_timeout_ms(conf),
		tls = limits.tls(conf),
	}
end

-- Commands

-- The command of an encoded request, for people.
local function describe(request)
	local text = type(request) == "table" and request[1] or request
	return (text:sub(1, 500):gsub("[*$]%-?%d+\r\n", ""):gsub("\r\n$", ""):gsub("\r\n", " "))
end

local function ordinary(name)
	name = name:upper()
	local bare = encode(name)
	return function(self, v, ...)
		local text
		if v == nil then
			text = bare
		elseif type(v) == "table" then
			text = encode_of(name, v)
		else
			text = encode(name, v, ...)
		end
		return self[1]:request(text, read_answer)
	end
end

---@class skynet.db.redis.Connection
---@field [string] fun(self, ...): any  any command of Redis
local commands = setmetatable({}, {
	__index = function(self, name)
		if type(name) ~= "string" then
			return nil
		end
		local f = ordinary(name)
		self[name] = f
		return f
	end,
})

local meta = { __index = commands }

---Closes the connection. Requests under way raise `socketchannel.error`; the object is no more usable.
function commands:disconnect()
	self[1]:close()
	setmetatable(self, nil)
end

---@return boolean  true: the key exists, or one of a list of keys
function commands:exists(key)
	local text = type(key) == "table" and encode_of("EXISTS", key) or encode("EXISTS", key)
	return self[1]:request(text, read_boolean)
end

---@return boolean
function commands:sismember(key, value)
	return self[1]:request(encode("SISMEMBER", key, value), read_boolean)
end

local function pipeline_texts(ops)
	local text, next = encode_pipeline(ops, 1)
	if not next then
		return text
	end
	local texts = { text }
	while next do
		text, next = encode_pipeline(ops, next)
		texts[#texts + 1] = text
	end
	return texts
end

---Sends several commands at once.
---@param ops table[]  commands, each with its name first
---@param answers table|nil  gets `{ok=, out=}` for each command
---@return any  `answers`, or without it the last answer
function commands:pipeline(ops, answers)
	assert(ops and #ops > 0, "pipeline is null")
	local count = #ops
	return self[1]:request(pipeline_texts(ops), function(so)
		local ok, out
		if answers == nil then
			for _ = 1, count do
				ok, out = read_answer(so)
			end
			return ok, out
		end
		for _ = 1, count do
			ok, out = read_answer(so)
			answers[#answers + 1] = { ok = ok, out = out }
		end
		return true, answers
	end)
end

---@class skynet.db.redis.Config
---@field host string
---@field port integer|nil      6379
---@field db integer|nil
---@field auth string|nil       password
---@field username string|nil
---@field overload fun(is_overload: boolean)|nil
---@field connect_timeout_ms integer|nil  10000; 0: none
---@field query_timeout_ms integer|nil    none
---@field slow_ms integer|nil   commands that take longer are logged
---@field pool integer|nil      connections; then the object has `with`
---@field tls boolean|welkin.tls.Options|nil

local function connect(conf)
	local channel = new_channel(conf, login(conf), conf.overload)
	limits.install(channel, conf, describe)
	channel:connect(true)
	return setmetatable({ channel }, meta)
end

---Connects and logs in; raises `socketchannel.error` when that fails.
---@param conf skynet.db.redis.Config
---@return skynet.db.redis.Connection
function redis.connect(conf)
	if conf.pool then
		return require "welkin.db.pool".new(conf.pool, function() return connect(conf) end)
	end
	return connect(conf)
end

-- Watch mode

---@class skynet.db.redis.Watch
---@field private __sock skynet.socketchannel.Channel
---@field __subscribe table<string, boolean>   confirmed channels
---@field __psubscribe table<string, boolean>  confirmed patterns
local watch = {}

local watch_meta = { __index = watch }

local function watch_login(obj, conf)
	local first = login(conf)
	return function(channel)
		first(channel)
		for pattern in pairs(obj.__psubscribe) do
			channel:request(encode("PSUBSCRIBE", pattern))
		end
		for name in pairs(obj.__subscribe) do
			channel:request(encode("SUBSCRIBE", name))
		end
	end
end

---A connection that receives what is published.
---@param conf skynet.db.redis.Config
---@return skynet.db.redis.Watch
function redis.watch(conf)
	local obj = { __subscribe = {}, __psubscribe = {} }
	local channel = new_channel(conf, watch_login(obj, conf), nil)
	obj.__sock = channel
	channel:connect(true)
	return setmetatable(obj, watch_meta)
end

---Closes the connection; a `message` under way raises.
function watch:disconnect()
	self.__sock:close()
	setmetatable(self, nil)
end

local function watch_command(name)
	return function(self, ...)
		for i = 1, select("#", ...) do
			local v = (select(i, ...))
			local text
			if v == nil then
				text = encode(name)
			elseif type(v) == "table" then
				text = encode_of(name, v)
			else
				text = encode(name, v)
			end
			self.__sock:request(text)
		end
	end
end

watch.subscribe = watch_command "SUBSCRIBE"
watch.psubscribe = watch_command "PSUBSCRIBE"
watch.unsubscribe = watch_command "UNSUBSCRIBE"
watch.punsubscribe = watch_command "PUNSUBSCRIBE"

-- What confirms a command: the set it changes, and what the name is then.
local confirmations = {
	subscribe = { "__subscribe", true },
	psubscribe = { "__psubscribe", true },
	unsubscribe = { "__subscribe", nil },
	punsubscribe = { "__psubscribe", nil },
}

---Waits for the next message. Raises `socketchannel.error` when the connection is lost; called again it connects and
---subscribes again.
---@return string data
---@return string channel
---@return string|nil pattern
function watch:message()
	while true do
		local answer = self.__sock:response(read_answer)
		if type(answer) == "table" then
			local kind, name, a, b = unpack(answer, 1, 4)
			if kind == "message" then
				return a, name
			elseif kind == "pmessage" then
				return b, a, name
			end
			local confirmed = confirmations[kind]
			if confirmed and name then
				self[confirmed[1]][name] = confirmed[2]
			elseif not confirmed then
				skynet.error("redis: unknown message in watch mode :", tostring(kind))
			end
		end
	end
end

return redis
