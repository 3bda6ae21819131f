-- Starts services that loop where nothing of the framework stands between them and the worker, and ends them.

local skynet = require "skynet"
local core = require "skynet.core"

skynet.start(function()
	for _, kind in ipairs { "loop_in_main", "raw" } do
		local looping = skynet.launch("worker " .. kind)
		core.send(looping, skynet.kinds.LUA, 0, "")
		skynet.sleep(2)
		core.command("KILL", string.format(":%x", looping))
	end
end)
