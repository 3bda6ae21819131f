-- A node of the fleet (config key `master_flag = false`): keeps the agent of its machine alive.
--
-- The agent is a process of its own that starts, watches and stops the machine's nodes at the master's word, and
-- outlives this one; `.fleet` starts it where there is none. A node that was started by hand answers it too, so that
-- it is seen and stopped like those the agent has started.

local skynet = require "skynet"
require "skynet.manager"
local fleet = require "welkin.fleet"

skynet.start(function()
	skynet.register ".cluster_slave"
	fleet.answer()
	fleet.begin(fleet.service())
end)
