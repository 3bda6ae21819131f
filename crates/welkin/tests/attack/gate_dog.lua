-- The watchdog of a Lua gate: accepts every connection and sends each package back. Tells the gate's
-- port to who asks.

local skynet = require "skynet"
local socket = require "skynet.socket"

local CONNECTIONS_MAX = 4096

local gate
local EVENT = {}

function EVENT.open(fd)
	skynet.call(gate, "lua", "accept", fd)
end

function EVENT.data(fd, text)
	socket.write(fd, string.pack(">s2", text))
end

function EVENT.close(fd)
	skynet.call(gate, "lua", "kick", fd)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, event, ...)
		if command ~= "socket" then
			skynet.retpack(EVENT.port())
		elseif EVENT[event] then
			-- A connection that has ended meanwhile cannot be accepted; its close comes next.
			pcall(EVENT[event], ...)
		end
	end)
	gate = skynet.newservice "gate"
	local conf = { address = "127.0.0.1", port = 0, maxclient = CONNECTIONS_MAX, nodelay = true }
	local _, port = skynet.call(gate, "lua", "open", conf)
	function EVENT.port()
		return port
	end
end)
