-- `skynet.request`: the loop gets each answer as it comes, and leaves nothing behind.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	local before = skynet.task()

	local fast = { peer, "lua", "echo", 1, nil, n = 5 }
	local slow = { peer, "lua", "sleep", 3, "slow" }
	local failing = { peer, "lua", "raise", "x" }
	local dead = { 0xfffff0, "lua" }
	local nobody = { ".nobody", "lua" }
	local order, answers = {}, {}
	for req, resp in skynet.request(fast)(slow)(failing)(dead)(nobody):select() do
		order[#order + 1], answers[req] = req, resp
	end
	check.equal("each comes once", #order, 5)
	check.that("invalid ones first, the last one first", order[1] == nobody and order[2] == dead)
	check.that("the slow one last", order[5] == slow)
	check.equal("answers are packed with n", answers[fast], { 1, n = 2 })
	check.equal("the slow answer", answers[slow], { "slow", n = 1 })
	check.equal("a failed call", answers[failing], false)
	check.equal("an invalid address", answers[dead], nil)

	for _, resp in skynet.request(fast):select() do
		check.that("a request may be used again", resp)
	end
	check.equal("nothing waits any more", skynet.task(), before)

	local obj = skynet.request { peer, "lua", "never" }
	check.equal("add returns the object", obj:add(fast), obj)
	local n = 0
	for req in obj:select(2) do
		n = n + 1
		check.that("only the fast one comes in time", req == fast)
	end
	check.equal("one came", n, 1)
	check.equal("timeout is set", obj.timeout, true)
	check.equal("nothing waits after a timeout", skynet.task(), before)
	check.fails("an object is used once", "assertion failed!", obj.select, obj)
	check.fails("also for add", "assertion failed!", obj.add, obj, fast)
	check.fails("a request is a table", "assertion failed!", skynet.request, 5)

	for _ in skynet.request(fast)(slow)(dead):select(100000) do
		break
	end
	check.equal("leaving the loop drops the rest", skynet.task(), before)
	pcall(function()
		for _ in skynet.request(fast)(slow):select() do
			error "leaves too"
		end
	end)
	check.equal("by an error too", skynet.task(), before)
	check.fails("an unknown protocol", "nil value", function()
		for _ in skynet.request(fast) { peer, "nothing" }:select() do end
	end)
	check.equal("sends nothing that is waited for", skynet.task(), before)

	for _ in skynet.request():select() do
		check.that("no requests, no rounds", false)
	end
	check.equal("late answers do no harm", skynet.call(peer, "lua", "sleep", 4, "end"), "end")
end)
