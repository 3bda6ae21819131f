-- Who answers a request, when, and how often.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	check.equal("nils are kept", select("#", skynet.call(peer, "lua", "echo", nil, 1, nil)), 3)

	local result
	skynet.fork(function() result = { pcall(skynet.call, peer, "lua", "hold", "a") } end)
	skynet.yield()
	check.equal("a held answer is wanted", skynet.call(peer, "lua", "still_wanted", "a"), true)
	check.equal("the caller waits", result, nil)
	check.equal("the answer was queued", skynet.call(peer, "lua", "release", "a", true, 1, nil, 3), true)
	check.await(function() return result end)
	check.equal("and came", result, { true, 1, nil, 3 })
	check.equal("it is wanted no more", skynet.call(peer, "lua", "still_wanted", "a"), false)
	check.fails("a second answer raises there", "call failed$", skynet.call, peer, "lua", "release", "a", true)

	result = nil
	skynet.fork(function() result = { pcall(skynet.call, peer, "lua", "hold", "b") } end)
	skynet.yield()
	skynet.call(peer, "lua", "release", "b", false)
	check.await(function() return result end)
	check.that("response(false) fails the call", result[1] == false and result[2]:find "call failed$")

	-- inside of a handler of this service
	local notes
	skynet.dispatch("lua", function(session)
		notes = { session ~= 0, skynet.ret(skynet.packstring "first") }
		notes[3] = pcall(skynet.ret, "second")
		notes[4] = pcall(skynet.response)
		notes[5] = skynet.context() == nil
	end)
	check.equal("the first ret counts", skynet.call(skynet.self(), "lua"), "first")
	check.equal("a second one raises", notes, { true, true, false, false, true })
	skynet.send(skynet.self(), "lua")
	skynet.yield()
	check.equal("a send has no answer", { notes[1], notes[2] }, { false, false })

	skynet.dispatch("lua", function()
		local f = skynet.response()
		notes = { f(true), f(true), f "TEST" }
	end)
	skynet.send(skynet.self(), "lua")
	skynet.yield()
	check.equal("response of a send does nothing", notes, {})

	skynet.dispatch("lua", function(session, source)
		skynet.ignoreret()
		skynet.redirect(peer, source, "lua", session, skynet.pack("echo", "from the peer"))
	end)
	check.equal("a request may be passed on", skynet.call(skynet.self(), "lua"), "from the peer")
	check.fails("ret outside of a request", nil, skynet.ret, "x")
end)
