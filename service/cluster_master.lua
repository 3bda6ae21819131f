-- The fleet in the console of the master's node (config key `master_flag = true`).
--
-- `info ADDRESS COMMAND [NODE]` of the debug console calls the function given with `skynet.info_func`; it hands the
-- words to `.fleet`, which asks the fleet's master, a process of its own that this service keeps alive. What comes
-- back is a table of texts by node, or one text; the console would close on a number or a boolean.

local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"
local fleet = require "welkin.fleet"

---@type integer
local service

-- Name and address of each node, one after the other.
local function nodes()
	local list = {}
	for name, address in pairs(cluster.list_server()) do
		if address then
			list[#list + 1] = name
			list[#list + 1] = address
		end
	end
	return list
end

---@param command string
---@param node string|nil
---@return table<string, string>|string
local function ask(command, node)
	return skynet.call(service, "lua", "note", command, node, table.unpack(nodes()))
end

local function listen()
	local name = skynet.getenv "cluster_node"
	local ok = pcall(skynet.call, skynet.uniqueservice "clusterd", "lua", "open_own", name)
	if not ok then
		skynet.error(string.format("error: cannot listen on the address of %s in the cluster config, another "
			.. "program may have its port", name))
	end
end

skynet.start(function()
	skynet.register ".cluster_master"
	fleet.answer()
	service = fleet.service()
	skynet.info_func(function(command, node, more)
		if more then
			return string.format("%s takes one node at most; %s is one word too many", command, more)
		end
		-- Without a command the answer names all there are.
		return ask(command or "help", node)
	end)
	fleet.begin(service)
	skynet.fork(function()
		listen()
		local failure = ask("", nil)
		if type(failure) == "string" then
			skynet.error("error: " .. failure)
		end
	end)
end)
