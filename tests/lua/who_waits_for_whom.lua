-- The list of open calls of the whole node, and the cycles in it.

local skynet = require "skynet"
local welkin = require "welkin"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	skynet.dispatch("lua", function() skynet.retpack(skynet.call(peer, "lua", "hold", "e")) end)
	skynet.fork(function() skynet.call(peer, "lua", "call", skynet.self()) end)
	skynet.fork(function() skynet.call(peer, "lua", "hold", "f") end)
	local waits
	check.await(function()
		waits = welkin.waits()
		return #waits >= 4
	end)
	local self = skynet.self()
	local seen = {}
	for _, wait in ipairs(waits) do
		if wait.from == self or wait.from == peer then
			seen[#seen + 1] = { wait.from, wait.to, wait.proto, wait.cycle }
			check.that("with age, session and place", wait.ms >= 0 and wait.session > 0
				and wait.traceback:find "stack traceback")
		end
	end
	table.sort(seen, function(a, b) return a[1] < b[1] end)
	local there, back = { self, peer, "lua", 1 }, { peer, self, "lua", 1 }
	local expected = { there, there, there, back }
	table.sort(expected, function(a, b) return a[1] < b[1] end)
	check.equal("all on the cycle", seen, expected)
	check.equal("those of one service", #welkin.waits(peer), 1)
end)
