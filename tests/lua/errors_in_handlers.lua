-- An error ends its request and nothing else.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	check.fails("an error in the handler fails the call", "call failed$", skynet.call, peer, "lua", "raise", "x")
	check.fails("an error that is not a text too", "call failed$", skynet.call, peer, "lua", "raise", { 1 })
	check.fails("no value as error", "call failed$", skynet.call, peer, "lua", "raise", nil)
	check.equal("an answer that was given stays given", skynet.call(peer, "lua", "answer_and_raise", 5), 5)
	check.fails("a handler that is nil", "call failed$", skynet.call, peer, "lua", "no such command")
	check.equal("the service lives on", skynet.call(peer, "lua", "echo", "alive"), "alive")

	skynet.send(peer, "lua", "raise", "in a send")
	check.equal("an error in a send too", skynet.call(peer, "lua", "echo", 1), 1)

	skynet.register_protocol { name = "unhandled", id = 101, pack = skynet.pack, unpack = skynet.unpack }
	check.fails("a call of a type without dispatch", "call failed$", skynet.call, peer, "unhandled", 1)
	skynet.register_protocol { name = "unknown there", id = 102, pack = skynet.pack, unpack = skynet.unpack }
	check.fails("a call of a type that is not registered", "call failed$", skynet.call, peer, "unknown there", 1)

	check.fails("a dead address", "call to invalid address :00fffff0$", skynet.call, 0xfffff0, "lua")
	check.equal("a send to a dead address gives nothing", select("#", skynet.send(0xfffff0, "lua")), 0)
	check.fails("an unknown protocol", "nil value", skynet.send, peer, "nothing")
	check.fails("what cannot be packed", "Unsupport type function to serialize", skynet.send, peer, "lua", print)

	local after
	skynet.fork(error, "in a fork")
	skynet.fork(function() after = true end)
	skynet.yield()
	check.that("an error in a fork leaves the other forks alone", after)
end)
