-- The first Lua service of a node: starts the ones every node has, in a fixed order, then the program's own.
--
-- Tools read the order and the addresses that come of it, so both are contract. It ends when the start
-- service has run its start function.

local skynet = require "skynet"
require "skynet.manager"

-- Without these there is no node worth running.
local function must_start(name)
	local ok, address = pcall(skynet.newservice, name)
	if not ok or address == nil then
		skynet.abort()
	end
	return address
end

local function start_names(standalone)
	local harbor = tonumber(skynet.getenv "harbor" or 0)
	if harbor == 0 then
		assert(standalone == nil)
		standalone = "true"
		skynet.setenv("standalone", standalone)
		skynet.name(".cslave", must_start "cdummy")
	else
		if standalone then
			must_start "cmaster"
		end
		skynet.name(".cslave", must_start "cslave")
	end
	return standalone
end

-- Config key `debug_port`: a console for whoever is on this machine.
local function start_console()
	local port = math.tointeger(tonumber(skynet.getenv "debug_port"))
	if port and port >= 0 and port <= 65535 then
		if pcall(skynet.newservice, "debug_console", port) then
			-- Where the fleet finds it.
			skynet.setenv("welkin_console_port", port)
		else
			skynet.error(string.format("error: no debug console at 127.0.0.1:%d (config key debug_port), the port may be "
				.. "taken", port))
		end
	end
end

-- Config key `master_flag`: the node is part of a fleet. It runs also without.
local function start_fleet()
	local master = skynet.getenv "master_flag"
	if master then
		pcall(skynet.newservice, master == "true" and "cluster_master" or "cluster_slave")
	end
end

skynet.start(function()
	local launcher = assert(skynet.launch("snlua", "launcher"))
	skynet.name(".launcher", launcher)
	if start_names(skynet.getenv "standalone") then
		skynet.name("DATACENTER", skynet.newservice "datacenterd")
	end
	skynet.newservice "service_mgr"
	if skynet.getenv "enablessl" == "true" then
		require("skynet.service").new("ltls_holder", function()
			require("ltls.init.c").constructor()
		end)
	end
	start_console()
	-- A program that does not start leaves the node up: the launcher has logged why.
	local started = pcall(skynet.newservice, skynet.getenv "start" or "main")
	if not started then
		require("welkin.native").start_failed()
	end
	-- But where one file is the whole node (`welkin run`), it is the end.
	if not started and skynet.getenv "welkin_run" then
		skynet.setenv("welkin_exit_status", 1)
		skynet.abort()
	end
	start_fleet()
	skynet.exit()
end)
