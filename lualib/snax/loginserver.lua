-- A login server: proves with a line protocol that a client knows a token, without sending it in the clear, and
-- leaves both sides with a shared secret.
--
-- One service is the master; it accepts, and decides with the program's `login_handler`. The talk with the client
-- is done by slaves, services from the same file, in turn. A slave keeps the socket to its end: after the answer it
-- reads on until the client closes, since closing over unread bytes would destroy the answer on its way.
--
-- Limits: a client has `welkin_login_timeout_ms` for its part, and 8192 bytes for what is not yet read.

local skynet = require "skynet"
require "skynet.manager"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local handshakes = require "snax.handshakes"

local UNREAD_BYTES_MAX = 8192
local INSTANCES = 8
local KEY_BYTES = 8

---@class snax.loginserver.Conf
---@field host string|nil         default `"0.0.0.0"`
---@field port integer|string
---@field instance integer|nil    slaves, default 8
---@field name string|nil         the master registers `"." .. name`, default `"login"`
---@field multilogin boolean|nil  one user may be in `login_handler` several times at once
---@field auth_handler fun(token: string): string, string  in a slave; gives server and user id, raises to refuse
---@field login_handler fun(server: string, uid: string, secret: string): string|nil  raises to refuse
---@field command_handler fun(command: string, ...): ...  answers `lua` messages to the master

-- The slave

-- Raised when there is nobody left to answer.
local LOST = {}
---@type table<integer, string>
local reasons = {}
-- Connections that the master has not answered yet.
---@type table<integer, boolean>
local unanswered = {}

local in_time, done = handshakes.new(function(fd)
	reasons[fd] = string.format("no login within %d ms", handshakes.timeout_ms)
	socket.shutdown(fd)
end)

local function read(fd)
	local line = socket.readline(fd)
	return line and crypt.base64decode(line) or error(LOST)
end

local function write(fd, text)
	if not socket.write(fd, crypt.base64encode(text) .. "\n") then
		error(LOST)
	end
end

local function authenticate(fd, auth_handler)
	local challenge = crypt.randomkey()
	write(fd, challenge)
	local client_key = read(fd)
	if #client_key ~= KEY_BYTES then
		error "Invalid client key"
	end
	local own_key = crypt.randomkey()
	write(fd, crypt.dhexchange(own_key))
	local secret = crypt.dhsecret(client_key, own_key)
	if read(fd) ~= crypt.hmac64(challenge, secret) then
		error "challenge failed"
	end
	local token = crypt.desdecode(secret, read(fd))
	done(fd)
	local server, uid = auth_handler(token)
	if uid == nil then
		error "auth_handler gave no user"
	end
	return server, uid, secret
end

local function close(fd)
	done(fd)
	reasons[fd] = nil
	socket.close(fd)
end

local function read_to_the_end(fd)
	while socket.read(fd) do
	end
	if not unanswered[fd] then
		close(fd)
	end
end

local SLAVE = {}

-- The user, or false, why and whether the client can still be told so.
function SLAVE.auth(auth_handler, fd, addr)
	skynet.error(string.format("connect from %s (fd = %d)", addr, fd))
	local ok, err = socket.start(fd)
	if not ok then
		return false, err, false
	end
	socket.limit(fd, UNREAD_BYTES_MAX)
	in_time(fd)
	local server, uid, secret
	ok, server, uid, secret = pcall(authenticate, fd, auth_handler)
	if not ok and server == LOST then
		local reason = reasons[fd] or "connection lost"
		close(fd)
		return false, reason, false
	end
	done(fd)
	unanswered[fd] = true
	skynet.fork(read_to_the_end, fd)
	if ok then
		return true, server, uid, secret
	end
	return false, server, true
end

-- The client has the time of a login again to take its answer and leave.
function SLAVE.answered(_, fd)
	unanswered[fd] = nil
	if socket.disconnected(fd) then
		close(fd)
	else
		in_time(fd)
	end
end

local function run_slave(auth_handler)
	skynet.dispatch("lua", function(_, _, command, ...)
		skynet.ret(skynet.pack(SLAVE[command](auth_handler, ...)))
	end)
end

-- The master

local function log_refusal(fd, err)
	skynet.error(string.format("invalid client (fd = %d) error = %s", fd, err))
end

local function master(conf)
	local logging_in = {}

	local function enter(server, uid, secret)
		return "200 " .. crypt.base64encode(conf.login_handler(server, uid, secret) or "")
	end

	local function admit(server, uid, secret)
		if not conf.multilogin then
			if logging_in[uid] then
				return "406 Not Acceptable", string.format("User %s is already login", uid)
			end
			logging_in[uid] = true
		end
		local ok, line = pcall(enter, server, uid, secret)
		logging_in[uid] = nil
		if ok then
			return line
		end
		return "403 Forbidden", line
	end

	local function answer(authenticated, ...)
		if not authenticated then
			local err, reachable = ...
			return reachable and "401 Unauthorized" or nil, err
		end
		return admit(...)
	end

	return function(slave, fd, addr)
		local line, err = answer(skynet.call(slave, "lua", "auth", fd, addr))
		if line then
			socket.write(fd, line .. "\n")
			skynet.send(slave, "lua", "answered", fd)
		end
		if err then
			log_refusal(fd, err)
		end
	end
end

local function run_master(conf)
	local slaves, turn = {}, 0
	skynet.dispatch("lua", function(_, _, command, ...)
		skynet.ret(skynet.pack(conf.command_handler(command, ...)))
	end)
	for i = 1, conf.instance or INSTANCES do
		slaves[i] = skynet.newservice(SERVICE_NAME)
	end
	local host = conf.host or "0.0.0.0"
	local port = assert(math.tointeger(tonumber(conf.port)), "loginserver: port is needed")
	skynet.error(string.format("login server listen at : %s %d", host, port))
	local serve = master(conf)
	local listener = socket.listen(host, port)
	socket.start(listener, function(fd, addr)
		turn = turn % #slaves + 1
		local ok, err = pcall(serve, slaves[turn], fd, addr)
		if not ok then
			log_refusal(fd, err)
			socket.close_fd(fd)
		end
	end)
end

---Makes the service the login server, or one of its slaves. To be called in its main file.
---@param conf snax.loginserver.Conf
return function(conf)
	local name = "." .. (conf.name or "login")
	skynet.start(function()
		if skynet.localname(name) then
			run_slave(assert(conf.auth_handler, "loginserver: auth_handler is needed"))
		else
			assert(conf.login_handler, "loginserver: login_handler is needed")
			assert(conf.command_handler, "loginserver: command_handler is needed")
			skynet.register(name)
			run_master(conf)
		end
	end)
end
