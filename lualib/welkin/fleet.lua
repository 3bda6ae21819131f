-- What `cluster_master` and `cluster_slave` share: the way to the native service `.fleet`, and the number of players
-- that the program tells them.
--
-- Both are front ends: what is done to nodes is done by the fleet's own processes, which take orders from their
-- master alone, never from a message of a service or of another node. So the only thing that can be asked of these
-- services by a message is to keep a number.

local skynet = require "skynet"
require "skynet.manager"

local M = {}

---The native service behind both.
---@return integer
function M.service()
	return skynet.localname ".fleet" or skynet.launch "fleet" or skynet.localname ".fleet"
		or error("the service .fleet cannot be launched", 0)
end

---Has it begin its part; what goes wrong is a log line, the node goes on.
---@param service integer
function M.begin(service)
	local failure = skynet.call(service, "lua", "begin")
	if failure ~= "" then
		skynet.error("error: " .. failure)
	end
end

local CMD = {}

---@type integer|nil
local players

-- The number of players of the whole node, for the fleet's figures.
function CMD.set_online(number)
	local whole = math.tointeger(number)
	if not whole or whole < 0 then
		error(string.format("set_online takes the number of players, got %s", number), 0)
	end
	if players == nil then
		require("welkin").online(function()
			return players
		end)
	end
	players = whole
end

---Answers what services may ask.
function M.answer()
	skynet.dispatch("lua", function(_, _, command, ...)
		local f = CMD[command]
		if f == nil then
			error(string.format("unknown command %s: there is set_online", command), 0)
		end
		skynet.retpack(f(...))
	end)
end

return M
