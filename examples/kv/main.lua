-- Listens, and gives each client an agent: a service of its own, that ends with the connection.
--
-- A client that misbehaves can so harm nobody but itself. All agents share the one `store`. There are two ways in:
-- lines, which this service accepts itself, and packages, which are the watchdog's.

local skynet = require "skynet"
local socket = require "skynet.socket"

local HOST = "127.0.0.1"

local function listen_for_lines()
	local listener, address, port = socket.listen(HOST, tonumber(skynet.getenv "port"))
	socket.start(listener, function(id, from)
		skynet.newservice("agent", id, from)
	end)
	skynet.error(string.format("kv: listening on %s:%d", address, port))
end

local function listen_for_packages()
	local watchdog = skynet.newservice "watchdog"
	local address, port = skynet.call(watchdog, "lua", "start", {
		address = HOST,
		port = tonumber(skynet.getenv "package_port"),
		maxclient = 1000,
		nodelay = true,
	})
	skynet.error(string.format("kv: packages at %s:%d", address, port))
end

skynet.start(function()
	skynet.uniqueservice "store"
	listen_for_lines()
	listen_for_packages()
end)
