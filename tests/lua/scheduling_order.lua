-- Wakeups run before forks, forks before the next message, messages in their order.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local log = {}
	local function add(word)
		log[#log + 1] = word
	end
	local function expect(what, words)
		check.equal(what, table.concat(log, " "), words)
		log = {}
	end
	skynet.dispatch("lua", function(_, _, word) add(word) end)

	skynet.send(skynet.self(), "lua", "message")
	skynet.fork(function()
		add "fork1"
		skynet.fork(add, "fork3")
	end)
	skynet.fork(add, "fork2")
	skynet.yield()
	expect("forks of forks run in the same round, before messages", "fork1 fork2 fork3 message")

	for _, token in ipairs { "a", "b" } do
		skynet.fork(function()
			skynet.wait(token)
			add(token)
		end)
	end
	skynet.yield()
	skynet.fork(add, "fork")
	skynet.wakeup "b"
	skynet.wakeup "a"
	add "caller"
	skynet.yield()
	expect("the caller goes on, then wakeups in their order, then forks", "caller b a fork")

	skynet.fork(function()
		skynet.wait "outer"
		add "outer"
		skynet.fork(add, "late")
		skynet.wakeup "inner"
	end)
	skynet.fork(function()
		skynet.wait "inner"
		add "inner"
	end)
	skynet.yield()
	skynet.wakeup "outer"
	skynet.yield()
	expect("a wakeup by a woken coroutine comes before its fork", "outer inner late")

	skynet.timeout(0, function() add "t1" end)
	skynet.send(skynet.self(), "lua", "m")
	skynet.timeout(-1, function() add "t2" end)
	skynet.yield()
	expect("timers of 0 are messages like others", "t1 m t2")

	local order = {}
	for i = 1, 3 do
		skynet.timeout(2, function() order[#order + 1] = i end)
	end
	check.await(function() return #order == 3 end)
	check.equal("equal deadlines fire in the order of setting", order, { 1, 2, 3 })

	local n
	skynet.fork(function(...) n = select("#", ...) end, nil, 1, nil)
	skynet.yield()
	check.equal("nils among a fork's arguments are kept", n, 3)
end)
