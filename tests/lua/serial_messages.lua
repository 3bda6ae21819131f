-- `skynet.mqueue`: messages handled one after the other.

local skynet = require "skynet"
local mqueue = require "skynet.mqueue"
local check = require "check"

check.main(function()
	local me = skynet.self()
	local log = {}
	mqueue.send(me, "early")
	skynet.yield()
	check.equal("what comes before register waits", mqueue.size(), 1)
	mqueue.register(function(cmd, ...)
		log[#log + 1] = cmd
		if cmd == "slow" then
			skynet.yield()
			log[#log + 1] = "done"
		elseif cmd == "raise" then
			error(..., 0)
		end
		if cmd ~= "early" then
			return cmd, ...
		end
	end)
	check.fails("register twice", "assertion failed!$", mqueue.register, print)
	check.equal("call", { mqueue.call(me, "a", 1, nil, 2) }, { "a", 1, nil, 2 })
	check.equal("the early one came first", log, { "early", "a" })
	check.fails("an error comes to the caller", "oops$", mqueue.call, me, "raise", "oops")

	log = {}
	local left = 2
	for _, cmd in ipairs { "slow", "b" } do
		skynet.fork(function()
			mqueue.call(me, cmd)
			left = left - 1
		end)
	end
	check.await(function() return left == 0 end)
	check.equal("a handler that blocks holds the others", log, { "slow", "done", "b" })
	mqueue.send(me, "raise", "in a send")
	mqueue.send(me, "returns")
	check.equal("bad sends do not stop it", mqueue.call(me, "end"), "end")
end)
