-- Sends back whatever a TCP client sends. One service; each connection is a coroutine.

local skynet = require "skynet"
local socket = require "skynet.socket"

local function serve(id, address)
	if not socket.start(id) then
		return
	end
	skynet.error("hello", address)
	local data = socket.read(id)
	while data do
		socket.write(id, data)
		data = socket.read(id)
	end
	socket.close(id)
	skynet.error("goodbye", address)
end

skynet.start(function()
	local listener, address, port = socket.listen("127.0.0.1", tonumber(skynet.getenv "port"))
	socket.start(listener, serve)
	skynet.error(string.format("echo: listening on %s:%d", address, port))
end)
