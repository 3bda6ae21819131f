-- Listens, and gives each client an agent: a service of its own, that ends with the connection.
--
-- A client that misbehaves can so harm nobody but itself. All agents share the one `store`.

local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
	skynet.uniqueservice "store"
	local listener, address, port = socket.listen("127.0.0.1", tonumber(skynet.getenv "port"))
	socket.start(listener, function(id, from)
		skynet.newservice("agent", id, from)
	end)
	skynet.error(string.format("kv: listening on %s:%d", address, port))
end)
