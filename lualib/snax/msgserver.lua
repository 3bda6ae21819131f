-- A message server: requests and answers between clients that have logged in elsewhere and a program, over
-- connections that may break and come back.
--
-- A client proves with each connection that it knows the secret of its login, by an index that must grow. What it
-- asked is known by a session number of its own; answers are kept for a while, so that a question asked again over
-- a new connection is answered and not worked on twice.
--
-- Limits: a connection has `welkin_login_timeout_ms` for its handshake; of a user's answers that are through, at
-- most twice `expired_number` are kept. The number of requests at work is the clients' choice, as in a gate.

local skynet = require "skynet"
local gateserver = require "snax.gateserver"
local netpack = require "skynet.netpack"
local crypt = require "skynet.crypt"
local driver = require "skynet.socketdriver"
local handshakes = require "snax.handshakes"

local b64encode, b64decode = crypt.base64encode, crypt.base64decode

local EXPIRED_NUMBER = 128
local RESPONSE_BYTES_MAX = 0xffff - 5 -- of the text, before ok and session

local msgserver = {}

---@class snax.msgserver.Conf
---@field login_handler fun(...): ...    the command `login` of the service
---@field logout_handler fun(...): ...   `logout`
---@field kick_handler fun(...): ...     `kick`
---@field request_handler fun(username: string, text: string): string|nil
---@field register_handler nil|fun(servername: string): ...  answers `open`
---@field disconnect_handler nil|fun(username: string)  an authenticated connection was lost
---@field expired_number integer|nil     default 128

---@class snax.msgserver.Response
---@field fd integer|nil       where to send it while it is not ready
---@field version number|nil   handshake with which it was ready, or asked again
---@field index integer|nil    count of the user's answers then
---@field package string|nil   with its length; nil while the request is worked on

---@class snax.msgserver.User
---@field username string
---@field secret string
---@field version number       index of the last handshake
---@field index integer        running count of answers
---@field responses table<integer, snax.msgserver.Response>  by session
---@field fd integer|nil   the connection of the last handshake
---@field addr string|nil
---@field older table<integer, true>|nil  connections before that one, as far as they still live

---@type table<string, snax.msgserver.User>
local users = {}
-- Authenticated connections.
---@type table<integer, snax.msgserver.User>
local connections = {}
-- The others: the address.
---@type table<integer, string>
local strangers = {}

---@param username string
---@return string uid, string subid, string servername
function msgserver.userid(username)
	local uid, servername, subid = username:match "([^@]*)@([^#]*)#(.*)"
	return b64decode(uid), b64decode(subid), b64decode(servername)
end

---@param uid string
---@param subid string|integer
---@param servername string
---@return string
function msgserver.username(uid, subid, servername)
	return string.format("%s@%s#%s", b64encode(uid), b64encode(servername), b64encode(tostring(subid)))
end

-- A connection that a newer one has taken the user from may still ask, and gets its own answers.
local function attach(user, fd, addr)
	if user.fd then
		user.older = user.older or {}
		user.older[user.fd] = true
	end
	user.fd, user.addr = fd, addr
	connections[fd] = user
end

local function detach(user, fd)
	connections[fd] = nil
	if user.fd == fd then
		user.fd, user.addr = nil, nil
	elseif user.older then
		user.older[fd] = nil
	end
end

---The user may connect from now on.
---@param username string
---@param secret string  8 bytes
function msgserver.login(username, secret)
	assert(users[username] == nil, "the user is online")
	users[username] = { username = username, secret = secret, version = 0, index = 0, responses = {} }
end

---Forgets the user and closes its connections; nobody is told of their end.
---@param username string
function msgserver.logout(username)
	local user = assert(users[username], "unknown user")
	users[username] = nil
	local fds = user.older or {}
	if user.fd then
		fds[user.fd] = true
	end
	user.older = nil
	for fd in pairs(fds) do
		detach(user, fd)
		gateserver.closeclient(fd)
	end
end

---@param username string
---@return string|nil address  `"ip:port"` while connected
function msgserver.ip(username)
	local user = users[username]
	return user and user.addr
end

-- Handshakes

-- The user whose handshake this is, or nil and the answer.
local function authenticate(text)
	local username, index, proof = text:match "^([^:]*):([^:]*):([^:]*)"
	local user = users[username]
	if user == nil then
		return nil, "404 User Not Found"
	end
	local version = tonumber(index)
	local ok, hmac = pcall(b64decode, proof)
	if version == nil or not ok then
		return nil, "400 Bad Request"
	end
	if version <= user.version then
		return nil, "403 Index Expired"
	end
	if hmac ~= crypt.hmac_hash(user.secret, username .. ":" .. index) then
		return nil, "401 Unauthorized"
	end
	user.version = version
	return user, "200 OK"
end

local function handshake(fd, text)
	local addr = strangers[fd]
	strangers[fd] = nil
	local user, answer = authenticate(text)
	if user then
		attach(user, fd, addr)
	end
	driver.send(fd, netpack.pack(answer))
	if not user then
		gateserver.closeclient(fd)
	end
end

-- Requests

local function encode(session, ok, result)
	local text = ok and result or ""
	if not ok then
		skynet.error(result)
	elseif type(text) ~= "string" and type(text) ~= "number" then
		ok = false
		skynet.error("request_handler gave no text but a " .. type(text))
	elseif #tostring(text) > RESPONSE_BYTES_MAX then
		ok = false
		skynet.error(string.format("request_handler gave %d bytes, more than fit into a package", #text))
	end
	text = ok and text or ""
	return string.pack(">s2", text .. string.pack(">BI4", ok and 1 or 0, session))
end

-- Forgets the answers that are too old, when the count says that some are.
local function expire(user, expired_number)
	if user.index < expired_number * 2 then
		return
	end
	local highest = 0
	for session, response in pairs(user.responses) do
		if response.fd == nil then
			if response.index < expired_number then
				user.responses[session] = nil
			else
				response.index = response.index - expired_number
				highest = math.max(highest, response.index)
			end
		end
	end
	user.index = highest + 1
end

local function stamp(user, response)
	response.version, response.index = user.version, user.index
end

local function deliver(user, response, expired_number)
	user.index = user.index + 1
	local fd = response.fd
	response.fd = nil
	if connections[fd] then
		driver.send(fd, response.package)
	end
	expire(user, expired_number)
end

-- The response of an earlier request with this session, if this is that one asked again.
local function asked_before(user, session)
	local response = user.responses[session]
	if response == nil or response.version ~= user.version then
		return response
	end
	user.responses[session] = nil
	if response.package == nil then
		error("Conflict session " .. session)
	end
end

local function request(conf, fd, user, message)
	local session = string.unpack(">I4", message, -4)
	local response = asked_before(user, session)
	if response then
		response.fd = fd
		stamp(user, response)
		if response.package == nil then
			return -- its answer comes here
		end
	else
		response = { fd = fd }
		user.responses[session] = response
		response.package = encode(session, pcall(conf.request_handler, user.username, message:sub(1, -5)))
		stamp(user, response)
	end
	deliver(user, response, conf.expired_number or EXPIRED_NUMBER)
end

local function serve(conf, fd, message)
	local user = connections[fd]
	if user == nil then
		return -- logged out while the package waited
	end
	local ok, err = pcall(request, conf, fd, user, message)
	if not ok then
		skynet.error(string.format("Invalid package %s : %s", err, message))
		gateserver.closeclient(fd)
	end
end

-- The gate's side

local function handler_of(conf)
	local handler = {}

	local begin, done = handshakes.new(function(fd)
		skynet.error(string.format("no handshake within %d ms (fd = %d)", handshakes.timeout_ms, fd))
		gateserver.closeclient(fd)
	end)

	function handler.open(_, gate)
		local servername = assert(gate.servername, "conf.servername is needed")
		if conf.register_handler then
			return conf.register_handler(servername)
		end
	end

	function handler.connect(fd, addr)
		strangers[fd] = addr
		begin(fd)
		gateserver.openclient(fd)
	end

	function handler.message(fd, msg, sz)
		local text = netpack.tostring(msg, sz)
		if strangers[fd] then
			done(fd)
			handshake(fd, text)
		else
			serve(conf, fd, text)
		end
	end

	local function lost(fd)
		if strangers[fd] then
			strangers[fd] = nil
			done(fd)
		end
		local user = connections[fd]
		if user then
			detach(user, fd)
		end
		gateserver.closeclient(fd)
		if user and conf.disconnect_handler then
			conf.disconnect_handler(user.username)
		end
	end

	handler.disconnect = lost
	handler.error = lost

	local commands = {
		login = assert(conf.login_handler, "login_handler is needed"),
		logout = assert(conf.logout_handler, "logout_handler is needed"),
		kick = assert(conf.kick_handler, "kick_handler is needed"),
	}

	function handler.command(cmd, _, ...)
		local f = assert(commands[cmd], "unknown command")
		return f(...)
	end

	return handler
end

---Makes the service a message server. To be called in its main file.
---@param conf snax.msgserver.Conf
function msgserver.start(conf)
	assert(conf.request_handler, "request_handler is needed")
	gateserver.start(handler_of(conf))
end

return msgserver
