-- `.launcher`: what newservice gives, lists, failures.

local skynet = require "skynet"
local check = require "check"

local function launcher(...)
	return skynet.call(".launcher", "lua", ...)
end

check.main(function()
	local a = skynet.newservice("peer", "one two", 3, "")
	check.equal("arguments are split at blanks", skynet.call(a, "lua", "args"), { "one", "two", "3" })
	check.equal("the list has its text", launcher "LIST"[skynet.address(a)], "snlua peer one two 3 ")
	check.equal("command words in any case", launcher "list"[skynet.address(a)], "snlua peer one two 3 ")
	check.equal("an unknown command", launcher "NOTHING", { "Unknown command" })

	check.fails("a missing file", "call failed$", skynet.newservice, "no_such_service")
	check.fails("an error in the main file", "call failed$", skynet.newservice, "broken", "main")
	check.fails("an error in an init function", "call failed$", skynet.newservice, "broken", "init")
	check.fails("an error in the start function", "call failed$", skynet.newservice, "broken", "start")
	check.equal("exit in the start function", select("#", skynet.newservice("broken", "exit")), 0)
	check.fails("a table as argument", "call failed$", skynet.newservice, "peer", {})
	check.fails("an unknown module", "call failed$", launcher, "LAUNCH", "no_such_module")

	local failed
	skynet.fork(function() failed = { pcall(skynet.newservice, "broken", "slow") } end)
	local slow = check.await(function()
		for address, text in pairs(launcher "LIST") do
			if text == "snlua broken slow" then
				return address
			end
		end
	end)
	check.that("it is in init", failed == nil)
	skynet.kill(slow)
	check.await(function() return failed end)
	check.that("killed in init: the caller fails", failed[1] == false and failed[2]:find "call failed$")

	check.equal("STAT", type(launcher "STAT"[skynet.address(a)].cpu), "number")
	check.that("MEM", launcher "MEM"[skynet.address(a)]:find "^%d+%.%d%d Kb %(snlua peer one two 3 %)$")
	check.that("GC answers as MEM", launcher "GC"[skynet.address(a)]:find "Kb")
	check.equal("KILL", launcher("KILL", a), { [skynet.address(a)] = "snlua peer one two 3 " })
	check.equal("it is off the list", launcher "LIST"[skynet.address(a)], nil)
	check.fails("and dead", "call to invalid address", skynet.call, a, "lua", "args")
end)
