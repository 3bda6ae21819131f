-- An echo server that many connect to at once.

local skynet = require "skynet"
local socket = require "skynet.socket"
local measure = require "measure"

local BACKLOG = 4096

measure.run(function()
	local id = socket.listen("127.0.0.1", skynet.getenv "port", BACKLOG)
	socket.start(id, function(fd)
		socket.start(fd)
		local text = socket.read(fd)
		while text do
			socket.write(fd, text)
			text = socket.read(fd)
		end
		socket.close(fd)
	end)
	measure.ready()
end)
