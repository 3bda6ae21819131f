-- An error handler that loops for ever, called for the very error that ends the service's loop: it is ended too.

local skynet = require "skynet"
require "skynet.manager"

local function forever()
	while true do end
end

if ... == "loop" then
	skynet.start(function()
		skynet.dispatch("lua", function()
			while true do
				xpcall(forever, forever)
			end
		end)
	end)
else
	skynet.start(function()
		local loop = skynet.newservice("endless_handler_is_killed", "loop")
		skynet.send(loop, "lua", "go")
		skynet.sleep(5)
		skynet.kill(loop)
		-- The node ends only when every service has ended: a stuck one would hold it up for ever.
		print "PASS"
		skynet.abort()
	end)
end
