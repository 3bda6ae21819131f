-- The smallest service that can be talked to: it ends when it is told to.

local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.ret()
		skynet.exit()
	end)
end)
