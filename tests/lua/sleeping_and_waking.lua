-- `sleep`, `wait` and `wakeup`: tokens, results, arguments.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	check.equal("sleep returns nothing", select("#", skynet.sleep(1)), 0)
	check.equal("yield returns nothing", select("#", skynet.yield()), 0)

	local slept
	local sleeper = skynet.fork(function() slept = skynet.sleep(100000) end)
	skynet.yield()
	check.equal("wakeup of a sleeping coroutine", skynet.wakeup(sleeper), true)
	skynet.yield()
	check.equal("its sleep gives BREAK", slept, "BREAK")
	check.equal("it waits no more", select("#", skynet.wakeup(sleeper)), 0)

	local token, results = {}, nil
	skynet.fork(function() results = select("#", skynet.wait(token)) end)
	skynet.yield()
	check.equal("another table is another token", select("#", skynet.wakeup {}), 0)
	check.equal("the token itself", skynet.wakeup(token), true)
	check.equal("a second wakeup before it ran", skynet.wakeup(token), true)
	skynet.yield()
	check.equal("wait returns nothing", results, 0)

	skynet.fork(function() skynet.wait "taken" end)
	skynet.yield()
	check.fails("wait for a token in use", "token duplicative", skynet.wait, "taken")
	check.fails("sleep on a token in use", "token duplicative", skynet.sleep, 1, "taken")
	check.equal("the first still has it", skynet.wakeup "taken", true)

	for _, ti in ipairs { 0, -1, "0", "text", 0.0 } do
		skynet.sleep(ti)
	end
	check.fails("half a tick", "number has no integer representation", skynet.sleep, 0.5)
	check.fails("nothing", "bad argument", skynet.sleep)
	check.equal("timeout gives the coroutine", type(skynet.timeout(0, function() end)), "thread")

	skynet.yield()
	local before = skynet.task()
	local co = skynet.fork(function() skynet.wait "task" end)
	skynet.yield()
	check.equal("a waiting coroutine is a task", skynet.task(), before + 1)
	check.that("with a traceback", skynet.task(skynet.task(co)):find "stack traceback")
	check.equal("killthread", skynet.killthread(co), co)
	check.equal("ends it", coroutine.status(co), "dead")
	check.equal("and frees its token", select("#", skynet.wakeup "task"), 0)
end)
