-- Calls that give up.

local skynet = require "skynet"
local welkin = require "welkin"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	check.that("a version", welkin.version:find "^%d+%.%d+%.%d+")
	check.equal("an answer in time", { welkin.call_within(10000, peer, "lua", "echo", 1, nil, "x") }, { 1, nil, "x" })
	check.that("nothing is left of it", skynet.task() <= 1)

	local late = string.format("call timeout: 20 ms, %s peer, message lua$", skynet.address(peer))
	local begin = skynet.hpc()
	check.fails("no answer", late, welkin.call_within, 20, peer, "lua", "hold", "a")
	check.that("not before its time", skynet.hpc() - begin >= 20 * 1000000)
	check.equal("a late answer is dropped", skynet.call(peer, "lua", "release", "a", true, 1), true)
	check.equal("and harms nobody", skynet.call(peer, "lua", "echo", 2), 2)

	local results = {}
	for i, ms in ipairs { 60, 20, 40 } do
		skynet.fork(function()
			local ok, err = pcall(welkin.call_within, ms, peer, "lua", "hold", "b" .. i)
			results[#results + 1] = not ok and tonumber(err:match "timeout: (%d+) ms")
		end)
	end
	check.await(function() return #results == 3 end)
	check.equal("each has its own deadline", results, { 20, 40, 60 })

	check.fails("an error that comes in time", "call failed", welkin.call_within, 10000, peer, "lua", "raise", "x")
	check.fails("a service that is not there", "call to invalid address", welkin.call_within, 10, 0xffff, "lua")
	check.fails("a wrong deadline", "0 is no deadline", welkin.call_within, 0, peer, "lua")

	-- through a coroutine of the program
	local inner = require("skynet.coroutine").wrap(function() return pcall(welkin.call_within, 20, peer, "lua", "hold", "c") end)
	local ok, err = inner()
	check.that("in a coroutine of the program too", ok == false and err:find(late))

	-- own unpack
	skynet.register_protocol {
		name = "own",
		id = 120,
		pack = skynet.pack,
		unpack = function(...) return "unpacked", skynet.unpack(...) end,
		dispatch = function(_, _, ...) skynet.retpack(...) end,
	}
	check.equal("an own unpack", { welkin.call_within(10000, skynet.self(), "own", 7) }, { "unpacked", "unpacked", 7 })

	-- a killed coroutine is not woken by its deadline
	local woken
	local killed = skynet.fork(function()
		pcall(welkin.call_within, 20, peer, "lua", "hold", "d")
		woken = true
	end)
	skynet.yield()
	skynet.killthread(killed)
	skynet.sleep(6)
	check.equal("a killed call stays dead", woken, nil)
end)
