-- Serves one client of the package port. A package is 2 bytes of length, big endian, then the text: a command (see
-- commands.lua), and one package back for each. `quit` answers BYE and closes the connection.
--
-- An empty package asks for a sign of life. The client sends one back; one that has been silent for three beats is
-- gone, whatever the system still believes of its connection.

local skynet = require "skynet"
local socket = require "skynet.socket"
local new_queue = require "skynet.queue"
local answer = require "commands"

local BEAT = tonumber(skynet.getenv "heartbeat") or 100 -- in 1/100 s
local SILENT_BEATS_MAX = 3

local fd, watchdog
local heard = skynet.now()
-- Commands are answered one after the other, in the order they came.
local in_turn = new_queue()

local function send(text)
	socket.write(fd, string.pack(">s2", text))
end

local function finish()
	skynet.send(watchdog, "lua", "finish", fd)
end

local function serve(text)
	if text == "quit" then
		send "BYE"
		finish()
	elseif text ~= "" then
		send(answer(text))
	end
end

-- The gate passes packages on as messages of type "client". The session is the connection.
skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		skynet.ignoreret() -- the answer goes to the client, not back to the gate
		heard = skynet.now()
		in_turn(serve, text)
	end,
}

local function beat()
	while skynet.now() - heard <= BEAT * SILENT_BEATS_MAX do
		send ""
		skynet.sleep(BEAT)
	end
	skynet.error("no sign of life from connection", fd)
	finish()
end

local CMD = {}

function CMD.start(gate, id)
	fd = id
	skynet.call(gate, "lua", "forward", fd)
	heard = skynet.now()
	skynet.fork(beat)
end

function CMD.stop()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(session, source, command, ...)
		if command == "start" then
			watchdog = source
		end
		CMD[command](...)
		if session ~= 0 then
			skynet.ret()
		end
	end)
end)
