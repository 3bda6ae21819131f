-- The debug console: a TCP line protocol to look into a running node and to act on it.
--
-- `newservice("debug_console", [ip,] port)`. Each connection is a coroutine that reads a line, runs it as a
-- command (`welkin.console.commands`) and writes the answer, in that order; connections do not hold up each other.
-- Operators' scripts parse the output, so texts and shapes are fixed; what is new goes into new commands.
--
-- Limits: a line of at most LINE_BYTES_MAX (a longer one ends the connection), three wrong passwords. What a client
-- sends while its command runs stays in the socket beyond 128 KiB.

local skynet = require "skynet"
local socket = require "skynet.socket"
local commands = require "welkin.console.commands"
local format = require "welkin.console.format"
local http = require "welkin.console.http"

local LINE_BYTES_MAX = 1024 * 1024
local WRONG_PASSWORDS_MAX = 3

---@class welkin.console.Session  one connection
---@field fd integer
---@field authorized boolean
---@field wrong integer              passwords that were wrong
---@field agent integer|nil          the debug_agent that gets the lines while a service is debugged
---@field ended thread|nil           waits for the end of that

local password = skynet.getenv "welkin_console_password"

-- Takes the same time wherever `given` differs.
local function is_password(given)
	local differ = #given ~ #password
	for i = 1, #given do
		differ = differ | given:byte(i) ~ password:byte((i - 1) % #password + 1)
	end
	return differ == 0
end

local function refuse(session, text)
	socket.write(session.fd, text .. "\n<CMD Error>\n")
end

-- For a connection that has not given the password. False: it is to be closed.
local function authorize(session, line)
	local given = line:match "^auth (.-)\r?$"
	if given == nil then
		refuse(session, "Not authorized, type auth and the password first")
		return not http.is_request(line)
	end
	if is_password(given) then
		session.authorized = true
		socket.write(session.fd, "<CMD OK>\n")
		return true
	end
	session.wrong = session.wrong + 1
	refuse(session, "Wrong password")
	if session.wrong < WRONG_PASSWORDS_MAX then
		return true
	end
	skynet.error(string.format("connection %d closed after %d wrong passwords", session.fd, session.wrong))
	return false
end

local function run(session, line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	local command = commands[words[1]]
	if command == nil then
		refuse(session, "Invalid command, type help for command list\n")
		return
	end
	local ok, result = pcall(command.run, words, line, session)
	if not ok then
		refuse(session, tostring(result))
	elseif not session.agent then -- else the final line comes at the end of debugging
		format.write(session.fd, result, "<CMD OK>\n")
	end
end

-- A line for the service that is debugged.
local function pass_on(session, line)
	skynet.send(session.agent, "lua", "cmd", line)
	if line:match "^cont\r?$" and session.agent then
		-- The next line is the console's again.
		session.ended = coroutine.running()
		skynet.wait(session.ended)
		session.ended = nil
	end
end

-- Handles a line; false: the connection is to be closed.
local function handle(session, line)
	if session.agent then
		pass_on(session, line)
	elseif line == "" then
		return true
	elseif not session.authorized then
		return authorize(session, line)
	elseif http.is_request(line) then
		local command = http.read_command(session.fd, line)
		if command then
			run(session, command)
		end
		return session.agent ~= nil
	else
		run(session, line)
	end
	return true
end

local function serve(fd, peer)
	if not socket.start(fd) then
		return
	end
	skynet.error(peer .. " connected")
	socket.limit(fd, LINE_BYTES_MAX)
	socket.write(fd, "Welcome to skynet console\n")
	local session = { fd = fd, authorized = password == nil, wrong = 0 }
	local ok, err = xpcall(function()
		local line
		repeat
			line = socket.readline(fd, "\n")
		until not line or not handle(session, line)
	end, debug.traceback)
	if not ok then
		skynet.error(fd, err)
	end
	if session.agent then
		skynet.send(session.agent, "lua", "cmd", "cont")
	end
	skynet.error(peer .. " disconnect")
	socket.close(fd)
end

local function is_loopback(address)
	return address:find "^127%." ~= nil or address == "::1" or address == "[::1]"
end

local arguments = table.pack(...)

skynet.start(function()
	assert(arguments.n <= 2, "debug_console takes a port, or an address and a port")
	local ip, port = "127.0.0.1", arguments[1]
	if arguments.n == 2 then
		ip, port = arguments[1], arguments[2]
	end
	local id, address, bound = socket.listen(ip, port)
	skynet.error(string.format("Start debug console at %s:%s", address, bound))
	if password == nil and not is_loopback(address) then
		skynet.error(string.format("WARNING: everybody who reaches %s:%s can run code in this node: set "
			.. "welkin_console_password in the config, or let debug_console listen on 127.0.0.1", address, bound))
	end
	socket.start(id, serve)
end)
