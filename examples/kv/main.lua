-- Listens, and gives each client an agent: a service of its own, that ends with the connection.
--
-- A client that misbehaves can so harm nobody but itself. All agents share the one `store`. There are three ways in:
-- lines, which this service accepts itself, and packages with commands or with sproto, which are a watchdog's each.

local skynet = require "skynet"
local socket = require "skynet.socket"
local sprotoparser = require "sprotoparser"
local sprotoloader = require "sprotoloader"
local protocol = require "protocol"

local HOST = "127.0.0.1"

local function listen_for_lines()
	local listener, address, port = socket.listen(HOST, tonumber(skynet.getenv "port"))
	socket.start(listener, function(id, from)
		skynet.newservice("agent", id, from)
	end)
	skynet.error(string.format("kv: listening on %s:%d", address, port))
end

local function listen_for_packages(what, agent, key)
	local watchdog = skynet.newservice("watchdog", agent)
	local address, port = skynet.call(watchdog, "lua", "start", {
		address = HOST,
		port = tonumber(skynet.getenv(key)),
		maxclient = 1000,
		nodelay = true,
	})
	skynet.error(string.format("kv: %s at %s:%d", what, address, port))
end

skynet.start(function()
	skynet.uniqueservice "store"
	listen_for_lines()
	listen_for_packages("packages", "package_agent", "package_port")
	sprotoloader.save(sprotoparser.parse(protocol.of_clients), protocol.SLOT_OF_CLIENTS)
	sprotoloader.save(sprotoparser.parse(protocol.of_server), protocol.SLOT_OF_SERVER)
	listen_for_packages("sproto", "sproto_agent", "sproto_port")
end)
