-- A port that nobody listens on.

local socket = require "skynet.socket"

return function()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	return port
end
