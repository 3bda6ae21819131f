-- The service of one client of a game room: writes to it what the room says.

local skynet = require "skynet"
local socket = require "skynet.socket"

local fd = math.tointeger(tonumber((...)))

skynet.start(function()
	socket.start(fd)
	skynet.dispatch("lua", function(_, _, text)
		socket.write(fd, text)
	end)
end)
