-- A node of this fleet: tells how many players it has, as the note asks for, and answers its peers.

local skynet = require "skynet"
local cluster = require "skynet.cluster"

local name = skynet.getenv "cluster_node"
local PLAYERS = 3

skynet.start(function()
	cluster.open(name)
	skynet.dispatch("lua", function()
		skynet.retpack(name)
	end)
	cluster.register "main"
	if skynet.getenv "master_flag" == "false" then
		-- The service is there when the node has started.
		skynet.timeout(100, function()
			skynet.call(".cluster_slave", "lua", "set_online", PLAYERS)
		end)
	end
	skynet.error(string.format("%s is up", name))
end)
