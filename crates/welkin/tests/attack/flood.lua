-- Answers one byte with 64 MiB, which the peer may leave where they are. Tells its port to who asks.

local skynet = require "skynet"
local socket = require "skynet.socket"

local BLOCK = ("x"):rep(1024 * 1024)
local BLOCKS = 64

local function flood(fd)
	socket.start(fd)
	socket.warning(fd, function() end)
	if socket.read(fd, 1) then
		for _ = 1, BLOCKS do
			socket.write(fd, BLOCK)
		end
		socket.read(fd, 1)
		socket.shutdown(fd)
	end
	socket.close(fd)
end

skynet.start(function()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, flood)
	skynet.dispatch("lua", function()
		skynet.retpack(port)
	end)
end)
