-- A scene: keeps a number of players and tells it to the fleet (`online = "scene.online"` in fleet.toml).
--
-- When the node is to end, the players are sent home first.

local skynet = require "skynet"
require "skynet.manager"
local welkin = require "welkin"
local version = require "version"

local players = 12

local CMD = {}

function CMD.online()
	return players
end

skynet.start(function()
	skynet.register ".scene"
	skynet.dispatch("lua", function(_, _, command, ...)
		local f = assert(CMD[command], "unknown command")
		skynet.retpack(f(...))
	end)
	welkin.on_exit(function()
		skynet.error(string.format("%d players are sent home", players))
		players = 0
	end)
	skynet.error(string.format("scene of version %s is open", version))
end)
