-- Everybody who waits for a service that exits is told.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local held
	skynet.dispatch("lua", function() held = skynet.response() end)
	local peer = skynet.newservice "peer"
	local results = {}
	local function call(name, ...)
		local args = table.pack(...)
		skynet.fork(function()
			results[name] = { pcall(skynet.call, peer, "lua", table.unpack(args, 1, args.n)) }
		end)
	end
	call("waiting", "never")
	call("holding", "hold", "x")
	skynet.send(peer, "lua", "call", skynet.self())
	check.await(function() return held end)
	check.equal("its call here is open", held "TEST", true)
	call("exiting", "exit")
	call("queued", "echo")
	for _, name in ipairs { "waiting", "holding", "exiting", "queued" } do
		local result = check.await(function() return results[name] end)
		check.that(name .. " fails", result[1] == false and result[2]:find "call failed$")
	end
	check.await(function() return not held "TEST" end)
	check.equal("an answer to it goes nowhere", held(true), false)
	check.fails("its address is gone", "call to invalid address", skynet.call, peer, "lua", "echo")

	peer = skynet.newservice "peer"
	results = {}
	call("waiting", "never")
	skynet.yield()
	skynet.term(peer)
	check.await(function() return results.waiting end)
	check.that("term fails the calls from here", results.waiting[1] == false)
	check.equal("the service itself lives on", skynet.call(peer, "lua", "echo", 1), 1)

	results = {}
	call("waiting", "never")
	skynet.yield()
	skynet.kill(peer)
	skynet.yield()
	check.equal("a killed service does not answer what it has taken", results.waiting, nil)
	skynet.term(peer)
	check.await(function() return results.waiting end)
end)
