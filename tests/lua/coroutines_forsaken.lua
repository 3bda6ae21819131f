-- A plain coroutine that blocks gives `SUSPEND` to who resumed it and stays where it is; the service's coroutine goes
-- on, and nothing that ends the forsaken wait later wakes it, nor the next request that runs in it.

local skynet = require "skynet"
local check = require "check"

---@param block fun()  blocks
local function forsake(block)
	local co = coroutine.create(block)
	check.equal("a wait in a plain coroutine", { coroutine.resume(co) }, { true, "SUSPEND" })
	return co
end

check.main(function()
	local peer = skynet.newservice "peer"
	local co = forsake(function() skynet.sleep(2) end)
	check.equal("the next sleep", skynet.sleep(5), nil)
	check.equal("it stays", coroutine.status(co), "suspended")
	forsake(function() skynet.sleep(1) end)
	forsake(function() skynet.call(peer, "lua", "echo", "late") end)
	local waiting = forsake(skynet.wait)
	local begun = skynet.now()
	check.equal("neither timer nor answer ends this one", skynet.sleep(10), nil)
	check.that("so it was long enough", skynet.now() - begun >= 10)
	check.equal("nobody to wake up", skynet.wakeup(waiting), nil)
	check.equal("a call afterwards", skynet.call(peer, "lua", "echo", "mine"), "mine")

	skynet.dispatch("lua", function(_, _, what)
		if what == "forsake" then
			forsake(function() skynet.sleep(1) end)
			skynet.retpack(true)
		else
			local slept = skynet.now()
			skynet.sleep(10)
			skynet.retpack(skynet.now() - slept >= 10)
		end
	end)
	check.equal("a request that leaves a wait behind", skynet.call(skynet.self(), "lua", "forsake"), true)
	check.equal("the next one sleeps its time", skynet.call(skynet.self(), "lua", "sleep"), true)
end)
