-- A to-be-closed variable that loops for ever when its coroutine ends: the service can be removed all the same.

local skynet = require "skynet"
require "skynet.manager"

if ... == "loop" then
	skynet.start(function()
		skynet.dispatch("lua", function()
			local _ <close> = setmetatable({}, { __close = function()
				while true do end
			end })
			error "the coroutine ends here"
		end)
	end)
else
	skynet.start(function()
		local loop = skynet.newservice("endless_close_is_killed", "loop")
		skynet.send(loop, "lua", "go")
		skynet.sleep(5)
		skynet.kill(loop)
		-- The node ends only when every service has ended: a stuck one would hold it up for ever.
		print "PASS"
		skynet.abort()
	end)
end
