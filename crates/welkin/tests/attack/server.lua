-- A listener of every kind there is: what the attack tests attack. Most give back what they are sent.
-- Says `PORT <kind> <port>` for each, then `READY`.

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local BACKLOG = 1024
local LINE_BYTES_MAX = 256 * 1024

local function say(kind, port)
	skynet.error("PORT", kind, port)
end

-- `talk(fd)` runs for each connection in a coroutine of its own, which closes it.
local function serve(kind, talk)
	local id, _, port = socket.listen("127.0.0.1", 0, BACKLOG)
	socket.start(id, function(fd)
		if socket.start(fd) then
			talk(fd)
			socket.close(fd)
		else
			socket.close_fd(fd)
		end
	end)
	say(kind, port)
end

local function lines(fd)
	socket.limit(fd, LINE_BYTES_MAX)
	local line = socket.readline(fd)
	while line do
		socket.write(fd, line .. "\n")
		line = socket.readline(fd)
	end
end

local function frames(fd)
	while true do
		local head = socket.read(fd, 2)
		local body = head and socket.read(fd, socket.header(head))
		if not body then
			return
		end
		socket.write(fd, head .. body)
	end
end

local function free_port()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	return port
end

local function native_gate(kind, style)
	local port = free_port()
	skynet.newservice("watchdog", style, port)
	say(kind, port)
end

-- These two send back nothing that was sent.
local function lua_servers()
	local login_port, messages_port = free_port(), free_port()
	skynet.setenv("login_port", login_port)
	skynet.newservice "login"
	say("login", login_port)
	local messages = skynet.newservice "messages"
	skynet.call(messages, "lua", "open", {
		address = "127.0.0.1",
		port = messages_port,
		servername = "game",
		maxclient = 4096,
	})
	say("messages", messages_port)
end

skynet.start(function()
	serve("lines", lines)
	serve("frames", frames)
	say("flood", skynet.call(skynet.newservice "flood", "lua"))
	native_gate("gate_short", "S")
	native_gate("gate_long", "L")
	say("gate_lua", skynet.call(skynet.newservice "gate_dog", "lua"))
	lua_servers()
	skynet.error("READY")
end)
