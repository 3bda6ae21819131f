-- MongoDB over OP_MSG: clients, databases, commands.
--
-- All coroutines of a service may share one client. Requests go out as they are given; a reply names the request it
-- answers, so a slow one holds up nobody, and each reply is decoded by the coroutine that asked for it. Databases and
-- collections are only names: nothing is sent before a command is.
--
-- Here is what talks to servers. Collections are in `mongo/collection.lua`, cursors in `mongo/cursor.lua`, the login
-- in `mongo/login.lua`; transactions are an extension (`mongo.enable`).

local bson = require "bson"
local socketchannel = require "skynet.socketchannel"
local reply = require "welkin.mongo"
local limits = require "welkin.db.limits"
local command = require "skynet.db.mongo.command"
local login = require "skynet.db.mongo.login"
local collection = require "skynet.db.mongo.collection"
local bulk = require "skynet.db.mongo.bulk"

local rest_of_message, answers = reply.rest, reply.answers

local DEFAULT_PORT = 27017
local CONNECTIONS_MAX = 1024
-- Where the first field of the document begins in a message.
local FIRST_FIELD = 26
local KIND_STRING = 2

local mongo = {
	null = assert(bson.null),
	minkey = assert(bson.minkey),
	maxkey = assert(bson.maxkey),
	type = assert(bson.type),
}

-- Databases

---@class skynet.db.mongo.Database
---@field name string
---@field full_name string
---@field connection skynet.db.mongo.Client
---@field database skynet.db.mongo.Database  itself
---@field [string] skynet.db.mongo.Collection
local database = {}

local database_meta = {
	__index = function(self, name)
		local method = database[name]
		if method == nil then
			method = collection.new(self, name, self.full_name)
			rawset(self, name, method)
		end
		return method
	end,
	__tostring = function(self)
		return "[mongo db :\t" .. self.name .. "]"
	end,
}

local function new_database(client, name)
	local self = { connection = client, name = name, full_name = name, database = false }
	self.database = self
	return setmetatable(self, database_meta)
end

---Runs a command and gives the reply, whatever its `ok` is.
---@param name string
---@param value any  of the field with the command's name; nil or false: 1, and what follows is left out
---@param ... any    further fields: name, value, ...
---@return table
function database:runCommand(name, value, ...)
	return command.run(self.connection, self.name, name, value, ...)
end

---Sends a command that the server does not answer.
---@param name string
---@param value any
---@param ... any
---@return table  `{ ok = 1 }`, at once
function database:send_command(name, value, ...)
	command.send(self.connection, self.name, name, value, ...)
	return { ok = 1 }
end

---@param name string
---@return skynet.db.mongo.Collection
function database:getCollection(name)
	return collection.new(self, name, self.full_name)
end

---Logs in on the present connection; after a loss the client's own user is logged in.
---@param user string
---@param password string
---@return boolean
function database:auth(user, password)
	local client = self.connection
	return login.authenticate(function(...) return self:runCommand(...) end, client.authmod, user, password)
end

-- Clients

---@class skynet.db.mongo.Client
---@field host string   where it is connected, or last was
---@field port integer
---@field [string] skynet.db.mongo.Database
local client = {}

local client_meta = {
	__index = function(self, name)
		return client[name] or new_database(self, name)
	end,
	__tostring = function(self)
		return "[mongo client :\t" .. self.host .. ":" .. self.port .. "]"
	end,
}

---@param name string
---@return skynet.db.mongo.Database
function client:getDB(name)
	return new_database(self, name)
end

---As `runCommand` of the database `admin`.
function client:runCommand(...)
	return command.run(self, "admin", ...)
end

---@return boolean
function client:logout()
	return self:runCommand("logout").ok == 1
end

---Closes the connection; requests under way raise. The client cannot be used any more.
function client:disconnect()
	local channels = self.__channels
	self.__sock, self.__channels = false, {}
	for _, channel in ipairs(channels) do
		channel:close()
	end
end

---@return integer  the next request's id
function client:genId()
	return command.next_id(self)
end

client.bulkWrite = bulk.write

-- Connections

local function dispatch(so)
	local body = so:read(rest_of_message(so:read(4)))
	return answers(body), true, body
end

-- The command of a message, for people.
local function describe(message)
	local kind, name, at = string.unpack("<Bz", message, FIRST_FIELD)
	if kind == KIND_STRING then
		name = name .. " " .. string.unpack("<s4", message, at):sub(1, -2)
	end
	return name
end

local function with_port(list)
	local entries = {}
	for i, entry in ipairs(list) do
		entries[i] = { host = entry.host, port = entry.port or DEFAULT_PORT }
	end
	return entries
end

local function new_channel(self, conf, backup)
	local channel = socketchannel.channel {
		host = self.host,
		port = self.port,
		response = dispatch,
		auth = login.on_connection(self),
		backup = backup,
		nodelay = true,
		overload = conf.overload,
		connect_timeout_ms = limits.connect_timeout_ms(conf),
		tls = limits.tls(conf),
	}
	limits.install(channel, conf, describe)
	command.count_requests(channel)
	return channel
end

-- A client has `pool` connections at most, which are opened when all others are busy. Sessions and cursors belong to no
-- connection, so a request may take any of them.
local function new_pool(self, conf, backup)
	local size = conf.pool or 1
	if math.type(size) ~= "integer" or size < 1 or size > CONNECTIONS_MAX then
		error(string.format("pool = %s: a number from 1 to %d is expected", tostring(size), CONNECTIONS_MAX), 0)
	end
	self.__sock = new_channel(self, conf, backup)
	self.__channels = { self.__sock }
	self.__new_channel = size > 1 and function()
		if #self.__channels < size then
			local channel = new_channel(self, conf, backup)
			table.insert(self.__channels, channel)
			return channel
		end
	end
end

---@class skynet.db.mongo.Config
---@field host string
---@field port integer|nil      27017
---@field username string|nil
---@field password string|nil
---@field authmod string|nil    "scram_sha1" (default), "scram_sha256" or "mongodb_cr"
---@field authdb string|nil     admin
---@field rs skynet.db.mongo.Config[]|nil  members of a replica set; the first one holds the user
---@field overload fun(is_overload: boolean)|nil
---@field connect_timeout_ms integer|nil  10000; 0: none
---@field query_timeout_ms integer|nil    none
---@field slow_ms integer|nil   commands that take longer are logged
---@field pool integer|nil      connections at most, 1
---@field tls boolean|welkin.tls.Options|nil

---Connects and logs in; raises `socketchannel.error` when that fails.
---@param conf skynet.db.mongo.Config
---@return skynet.db.mongo.Client
function mongo.client(conf)
	local first = conf.rs and conf.rs[1] or conf
	-- No field may be nil: those that are missing are databases.
	local self = {
		host = assert(first.host),
		port = first.port or DEFAULT_PORT,
		username = first.username or false,
		password = first.password or false,
		authmod = first.authmod or "scram_sha1",
		authdb = first.authdb or "admin",
		__id = 0,
		__sock = false,
		__channels = false,
		__new_channel = false,
		__redirections = 0,
	}
	new_pool(self, conf, conf.rs and with_port(conf.rs))
	setmetatable(self, client_meta)
	self.__sock:connect(true)
	return self
end

local enabled = {}

---Adds what not every program needs: `"transaction"`.
---@param name string
function mongo.enable(name)
	if not enabled[name] then
		enabled[name] = true
		require("skynet.db.mongo." .. name)(database)
	end
end

return mongo
