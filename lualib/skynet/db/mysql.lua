-- MySQL and MariaDB: queries and prepared statements of many coroutines over one connection.
--
-- Packets are read and rows are built natively (`welkin.mysql`); what a connection has sent and no answer has used is
-- kept beside its socket. Here are the order of a login, and what belongs to a connection and not to this object: a
-- statement that was prepared on a connection that is gone answers error 1243 without asking the server, where its
-- number may be another statement's by now.

local socketchannel = require "skynet.socketchannel"
local native = require "welkin.mysql"
local charsets = require "welkin.db.mysql_charsets"
local limits = require "welkin.db.limits"

local new_reader, unread = native.reader, native.unread
local next_packet, next_result, next_prepared = native.packet, native.result, native.prepared
local pack_execute = native.execute
local pack = string.pack

local DEFAULT_PORT = 3306
local PACKET_BYTES_MAX = 1024 * 1024

-- Commands.
local QUERY, PING, PREPARE, STMT_CLOSE, STMT_RESET = 3, 14, 22, 25, 26

local UNKNOWN_STATEMENT = 1243

local mysql = { _VERSION = "0.14" }

---@class skynet.db.mysql.Connection
---@field private channel skynet.socketchannel.Channel
---@field private compact boolean
---@field private version string|nil  of the server
---@field private so table|nil        of the present connection
local methods = {}

local meta = { __index = methods }

-- On which connection a statement was prepared.
---@type table<table, table>
local home = setmetatable({}, { __mode = "k" })

-- Answers

-- The request was alone on the connection and nothing has been received since, so whatever is there already is no
-- answer to it.
local function check_fresh(so, reader)
	so.fresh = nil
	if unread(reader) > 0 or so:unread() > 0 then
		error(string.format("mysql: the server sent an answer that nobody asked for (%s)", so[1]))
	end
end

local function reader_of(so)
	local reader = so.reader
	if not reader then
		reader = new_reader()
		so.reader = reader
	end
	if so.fresh then
		check_fresh(so, reader)
	end
	return reader
end

local function read_packet(so)
	local reader = so.reader
	if not reader then
		reader = new_reader()
		so.reader = reader
	end
	local body, sequence = next_packet(reader)
	while body == nil do
		body, sequence = next_packet(reader, so:read())
	end
	so.sequence = sequence
	return body
end

local function read_one(self, so, binary)
	local reader = reader_of(so)
	local result, more = next_result(reader, nil, binary, self.compact)
	while result == nil do
		result, more = next_result(reader, so:read(), binary, self.compact)
	end
	return result, more
end

-- All results of a request as one list; a failure ends it and stands in the list itself.
local function read_more(self, so, binary, first)
	local list, more = { first, multiresultset = true }, true
	if binary then
		list.mulitresultset = true -- as skynet spells it there
	end
	while more do
		local result
		result, more = read_one(self, so, binary)
		if result.badresult then
			for key, value in pairs(result) do
				list[key] = value
			end
		else
			list[#list + 1] = result
		end
	end
	return list
end

local function result_reader(self, binary)
	return function(so)
		local result, more = read_one(self, so, binary)
		if more then
			result = read_more(self, so, binary, result)
		end
		return true, result
	end
end

local function read_prepared(so)
	local reader = reader_of(so)
	local statement = next_prepared(reader)
	while statement == nil do
		statement = next_prepared(reader, so:read())
	end
	if not statement.badresult then
		home[statement] = so
	end
	return true, statement
end

-- Login

local CONNECT_FLAGS = 260047
local SSL = 0x800
local PLUGIN_AUTH = 0x80000

-- Bytes of a scramble, where they are not 20. A login cannot begin with such a way: there is room for 20 in the greeting.
local SCRAMBLE_BYTES = { client_ed25519 = 32 }

local function token_of(plugin, password, data)
	local token = native.token(plugin, password, data:sub(1, SCRAMBLE_BYTES[plugin] or 20))
	if token == nil then
		error(string.format("the server asks for authentication by %s, which is not supported", plugin), 0)
	end
	return token
end

-- What a login packet begins with, and all that is said in the clear of one that goes on encrypted.
local function login_head(opts, flags)
	local charset = 0
	if opts.charset then
		charset = charsets[opts.charset]
		if charset == nil then
			error(string.format("charset '%s' is not supported", tostring(opts.charset)), 0)
		end
	end
	return pack("<I4I4Bc23", flags, opts.max_packet_size or PACKET_BYTES_MAX, charset, "")
end

local function login_packet(opts, flags, plugin, scramble)
	local password = tostring(opts.password or "")
	local named = ""
	local token = native.token("mysql_native_password", password, scramble)
	if flags & PLUGIN_AUTH ~= 0 then
		-- A plugin that is not known is answered as if it were the oldest; the server then says which it wants.
		if SCRAMBLE_BYTES[plugin] or not native.token(plugin, password, scramble) then
			plugin = "mysql_native_password"
		end
		token, named = native.token(plugin, password, scramble), plugin .. "\0"
	end
	local names = pack("<zs1z", tostring(opts.user or ""), token, tostring(opts.database or ""))
	return login_head(opts, flags) .. names .. named
end

local function refused(body)
	local errno, message, sqlstate = native.failure(body)
	if errno then
		error(string.format("errno:%s, msg:%s,sqlstate:%s", errno, message, sqlstate), 0)
	end
end

local function next_in_login(so, body)
	return pack("<I3B", #body, (so.sequence + 1) & 0xff) .. body
end

-- One step of a login: sends `body` and reads the answer.
local function exchange(channel, so, body)
	return channel:request(next_in_login(so, body), function() return true, read_packet(so) end)
end

-- Nothing that matters has been said yet, and nothing is if the server cannot go on in secret.
local function begin_tls(opts, channel, so, flags, capabilities)
	if capabilities & SSL == 0 then
		error(string.format("%s:%s offers no TLS", channel.host, channel.port), 0)
	elseif unread(so.reader) > 0 then
		-- It would be taken for what the server says under its certificate.
		error("the server has sent more than its greeting", 0)
	end
	channel:request(next_in_login(so, login_head(opts, flags)))
	so.sequence = so.sequence + 1
	channel:secure()
end

-- What the server sends while it is not convinced: its first byte is 1.
local function convince(channel, so, opts, plugin, scramble, body)
	if plugin ~= "caching_sha2_password" then
		error(string.format("unexpected data in an authentication by %s", plugin), 0)
	end
	local what = body:byte(2)
	if what == 3 then
		-- It remembers the password, and says so at once.
		return channel:response(function() return true, read_packet(so) end)
	elseif what == 4 then
		-- It wants the password itself, which only TLS or its public key makes safe to send.
		if so.tls then
			return exchange(channel, so, tostring(opts.password or "") .. "\0")
		end
		local key = exchange(channel, so, "\2")
		refused(key)
		return exchange(channel, so, native.encrypt_password(tostring(opts.password or ""), scramble:sub(1, 20), key:sub(2)))
	end
	error("unexpected data in an authentication by caching_sha2_password", 0)
end

local function login(self, opts, channel)
	local so
	local greeting = channel:response(function(new)
		so = new
		return true, read_packet(so)
	end)
	refused(greeting)
	local version, scramble, capabilities, plugin = native.greeting(greeting)
	self.version = version
	local flags = CONNECT_FLAGS | (capabilities & PLUGIN_AUTH)
	if opts.tls then
		flags = flags | SSL
		begin_tls(opts, channel, so, flags, capabilities)
	end
	local body = login_packet(opts, flags, plugin, scramble)
	so.fresh = nil
	local answer = exchange(channel, so, body)
	if plugin == "" or capabilities & PLUGIN_AUTH == 0 then
		plugin = "mysql_native_password"
	end
	-- Two changes of the way at most, each with two steps.
	for _ = 1, 4 do
		refused(answer)
		local kind = answer:byte(1)
		if kind == 0xfe then
			if #answer == 1 then
				error("old pre-4.1 authentication protocol not supported", 0)
			end
			plugin, scramble = answer:match("^([^\0]*)\0?(.*)$", 2)
			answer = exchange(channel, so, token_of(plugin, tostring(opts.password or ""), scramble))
		elseif kind == nil then
			error("the server ends the login with an empty packet", 0)
		elseif kind == 1 then
			answer = convince(channel, so, opts, plugin, scramble, answer)
		else
			return so
		end
	end
	error("the server does not come to an end of the login", 0)
end

local function auth(self, opts)
	return function(channel)
		self.so = login(self, opts, channel)
		if opts.on_connect then
			opts.on_connect(self)
		end
	end
end

-- Commands

local function command(number, query)
	query = query .. "" -- a number is a text too
	return pack("<I3BB", #query + 1, 0, number) .. query
end

-- The command in a packet, for people.
local function describe(packet)
	local number = packet:byte(5)
	if number == QUERY or number == PREPARE then
		return packet:sub(6, 500)
	elseif number == 0x17 then
		return "statement " .. string.unpack("<I4", packet, 6)
	end
	return "command " .. tostring(number)
end

---@class skynet.db.mysql.Options
---@field host string
---@field port integer|nil            3306
---@field user string|nil
---@field password string|nil
---@field database string|nil
---@field charset string|nil          of the connection, as `utf8mb4`
---@field max_packet_size integer|nil bytes, told to the server
---@field compact_arrays boolean|nil  rows as arrays
---@field on_connect fun(db: skynet.db.mysql.Connection)|nil  after each login
---@field overload fun(is_overload: boolean)|nil
---@field connect_timeout_ms integer|nil  10000; 0: none
---@field query_timeout_ms integer|nil    none
---@field slow_ms integer|nil         queries that take longer are logged
---@field pool integer|nil            connections; then the object has `with`
---@field tls boolean|welkin.tls.Options|nil

local function connect(opts)
	local self = setmetatable({ compact = opts.compact_arrays and true or false }, meta)
	self.read_text = result_reader(self, false)
	self.read_binary = result_reader(self, true)
	local channel = socketchannel.channel {
		host = opts.host,
		port = opts.port or DEFAULT_PORT,
		auth = auth(self, opts),
		overload = opts.overload,
		gather = true,
		connect_timeout_ms = limits.connect_timeout_ms(opts),
		tls = limits.tls(opts),
		starts_tls = true,
	}
	self.channel = channel
	limits.install(channel, opts, describe)
	channel:connect(true)
	return self
end

---Connects and logs in; raises `socketchannel.error` when that fails, the log says why.
---@param opts skynet.db.mysql.Options
---@return skynet.db.mysql.Connection
function mysql.connect(opts)
	if opts.pool then
		return require "welkin.db.pool".new(opts.pool, function() return connect(opts) end)
	end
	return connect(opts)
end

---Closes the connection. Requests under way raise `socketchannel.error`; the object is no more usable.
function methods:disconnect()
	self.channel:close()
	setmetatable(self, nil)
end

---@param sql string
---@return table  rows; or what was done; or `{badresult = true, err=, errno=, sqlstate=}`
function methods:query(sql)
	return self.channel:request(command(QUERY, sql), self.read_text)
end

---@return table
function methods:ping()
	return self.channel:request(command(PING, ""), self.read_text)
end

---@param sql string  with a `?` for each parameter
---@return table statement
function methods:prepare(sql)
	return self.channel:request(command(PREPARE, sql), read_prepared)
end

-- True if the statement is the present connection's, which is there then; nobody comes between this and a request.
local function at_home(self, statement)
	local so = home[statement]
	if so == nil then
		-- Not made by `prepare`, so whoever made it knows better.
		return true
	end
	self.channel:connect(true)
	return so == self.so
end

local function unknown_statement(statement, where)
	return {
		badresult = true,
		errno = UNKNOWN_STATEMENT,
		sqlstate = "HY000",
		err = string.format("Unknown prepared statement handler (%s) given to %s", statement.prepare_id, where),
	}
end

---@param statement table  of `prepare`, on this connection
---@param ... any  one value for each parameter
---@return table  as `query`
function methods:execute(statement, ...)
	local count = select("#", ...)
	if count ~= statement.param_count then
		error(string.format("require stmt.param_count %s get arg_num %d", statement.param_count, count))
	end
	local packet = pack_execute(statement.prepare_id, ...)
	if not at_home(self, statement) then
		return unknown_statement(statement, "mysqld_stmt_execute")
	end
	return self.channel:request(packet, self.read_binary)
end

---@param statement table
---@return table
function methods:stmt_reset(statement)
	if not at_home(self, statement) then
		return unknown_statement(statement, "mysqld_stmt_reset")
	end
	return self.channel:request(command(STMT_RESET, pack("<I4", statement.prepare_id)), self.read_text)
end

---The server forgets the statement.
---@param statement table
function methods:stmt_close(statement)
	if at_home(self, statement) then
		self.channel:request(command(STMT_CLOSE, pack("<I4", statement.prepare_id)))
	end
end

---@return string
function methods:server_ver()
	return self.version
end

---@param compact boolean  rows as arrays by position, in results that are read from now on
function methods:set_compact_arrays(compact)
	self.compact = compact and true or false
end

local escapes = {
	["\0"] = "\\0", ["\b"] = "\\b", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
	["\26"] = "\\Z", ["\\"] = "\\\\", ["'"] = "\\'", ['"'] = '\\"',
}

---A text for SQL. Parameters of a prepared statement need none of this.
---@param text string|number
---@return string  in single quotes
function mysql.quote_sql_str(text)
	return "'" .. (string.gsub(text, "[\0\b\n\r\t\26\\'\"]", escapes)) .. "'"
end

return mysql
