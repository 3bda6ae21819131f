-- `skynet.queue`: one at a time, in the order of arrival, whatever happens inside.

local skynet = require "skynet"
local queue = require "skynet.queue"
local check = require "check"

local function results_and_errors(section)
	check.equal("results keep nils", select("#", section(function(...) return ... end, nil, 1, nil)), 3)
	local err = check.fails("a text comes with a traceback", "oops", section, function() error "oops" end)
	check.that("of where it was raised", err:find("\nstack traceback:", 1, true))
	local object = {}
	check.that("other errors are unchanged", check.fails("an object", nil, section, error, object) == object)
	check.fails("what cannot be called", "attempt to call", section, nil)
	check.equal("it is free afterwards", section(function() return "free" end), "free")
	check.fails("an error after a wait has a position too", "^[^:]+:%d+: .*later", section, function()
		skynet.yield()
		error "later"
	end)
	check.equal("results after a wait", { section(function(...) skynet.yield() return ... end, 1, nil, 3) }, { 1, nil, 3 })
end

check.main(function()
	local section = queue()
	local log, left = {}, 0
	local function enter(name, f)
		left = left + 1
		skynet.fork(function()
			pcall(section, function()
				log[#log + 1] = name .. "("
				skynet.yield()
				if f then
					f()
				end
				log[#log + 1] = name .. ")"
			end)
			left = left - 1
		end)
	end
	local function expect(what, words)
		check.await(function() return left == 0 end)
		check.equal(what, table.concat(log, " "), words)
		log = {}
	end

	enter "a"
	enter "b"
	enter "c"
	expect("one after the other", "a( a) b( b) c( c)")

	enter("a", function() error "inside" end)
	enter "b"
	expect("an error lets the next in", "a( b( b)")

	enter("a", function()
		section(section, skynet.yield)
		log[#log + 1] = "nested"
	end)
	enter "b"
	expect("the one inside may enter again", "a( nested a) b( b)")

	enter("a", function() pcall(section, error, "caught") skynet.yield() end)
	enter "b"
	expect("an error that is caught inside does not let the next in", "a( a) b( b)")

	results_and_errors(section)

	local killed
	local leave = {}
	enter("a", function() skynet.wait(leave) end)
	left = left + 1
	skynet.fork(function()
		left = left - 1
		killed = coroutine.running()
		section(error, "it never runs")
	end)
	enter "b"
	check.await(function() return killed end)
	skynet.wakeup(killed)
	skynet.yield()
	check.that("who waits can be killed", skynet.killthread(killed))
	check.await(function() return skynet.wakeup(leave) end)
	expect("who is woken by others, or killed while it waits, is passed over", "a( a) b( b)")

	local other = queue()
	check.equal("sections do not know of each other", section(function()
		return other(function() return "both" end)
	end), "both")
end)
