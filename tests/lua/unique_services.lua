-- `.service`: one service a name, started once, failures kept.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local queried, launched = nil, {}
	skynet.fork(function() queried = skynet.queryservice "peer" end)
	skynet.yield()
	for i = 1, 3 do
		skynet.fork(function() launched[i] = skynet.uniqueservice("peer", i) end)
	end
	check.await(function() return #launched == 3 and queried end)
	check.that("all have the same", launched[1] == launched[2] and launched[2] == launched[3] and queried == launched[1])
	check.equal("the first one's arguments count", skynet.call(queried, "lua", "args"), { "1" })

	local global = skynet.uniqueservice(true, "peer", "global")
	check.that("a global one is another", global ~= queried)
	check.equal("query it", skynet.queryservice(true, "peer"), global)
	check.equal("its other name", skynet.uniqueservice "@peer", global)
	local list = skynet.call(".service", "lua", "LIST")
	check.equal("listed", list.peer, skynet.address(queried))
	check.equal("under its key", list["@peer"], skynet.address(global))

	local waiting
	skynet.fork(function() waiting = { pcall(skynet.queryservice, "broken") } end)
	skynet.yield()
	check.fails("a failure", "call failed$", skynet.uniqueservice, "broken", "start")
	check.await(function() return waiting end)
	check.equal("fails the one who waits", waiting[1], false)
	check.fails("is kept", "call failed$", skynet.uniqueservice, "broken", "fine")
	check.fails("for queries too", "call failed$", skynet.queryservice, "broken")

	check.fails("one that exits in its start function", "assertion failed!$", skynet.uniqueservice, true, "broken", "exit")
	check.equal("may be tried again", math.type(skynet.uniqueservice(true, "broken", "fine")), "integer")

	skynet.fork(pcall, skynet.queryservice, "later")
	skynet.yield()
	check.that("who waits is listed", skynet.call(".service", "lua", "LIST").later:find "^Querying:\n:%x+ stack traceback:")
	check.equal("an unknown command", { skynet.call(".service", "lua", "list") }, { nil, "Invalid command list" })
	check.equal("a second manager gives way", select("#", skynet.newservice "service_mgr"), 0)
end)
