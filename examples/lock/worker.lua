-- Needs the printer. How it ends is its argument: it gives the printer back, forgets to, or hangs with it.

local skynet = require "skynet"

local how, main = ...
main = tonumber(main)

local CMD = {}

function CMD.work(lock)
	skynet.call(lock, "lua", "acquire", "printer")
	skynet.error("I have the printer and will end so:", how)
	skynet.send(main, "lua", "printing", how)
	skynet.sleep(10) -- the others come meanwhile, and wait
	if how == "forgetful" then
		skynet.exit()
	elseif how == "hanging" then
		skynet.wait() -- until somebody kills this service
	end
	skynet.call(lock, "lua", "release", "printer")
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
end)
