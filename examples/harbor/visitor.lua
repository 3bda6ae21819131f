-- A visitor on a node of its own: writes to the board of another node, and greets a friend on a third.
--
-- Nobody here knows an address. Global names are enough, also before they are taken: a call to one waits.

local skynet = require "skynet"
require "skynet.manager"

local name, friend = skynet.getenv "visitor", skynet.getenv "friend"

skynet.start(function()
	local greeted
	skynet.dispatch("lua", function(session, source, from)
		skynet.retpack("hello " .. from .. ", here is " .. name)
		skynet.wakeup "greeted"
		greeted = true
	end)
	skynet.register(name)
	skynet.fork(function()
		local answer = skynet.call(friend, "lua", name)
		skynet.error(friend .. " says: " .. answer)
		local number = skynet.call("BOARD", "lua", "write", name, "I have met " .. friend)
		skynet.error("the board says: " .. skynet.call("BOARD", "lua", "read", number))
		-- One unique service for the whole network would be skynet.uniqueservice(true, ...).
		while not greeted do
			skynet.wait "greeted"
		end
		skynet.call("BOARD", "lua", "write", name, "bye")
		skynet.abort()
	end)
end)
