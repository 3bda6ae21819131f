-- `skynet.debugchannel` by itself: two ends of a queue, and hooks that stop a coroutine.

local debugchannel = require "skynet.debugchannel"
local check = require "check"

local function two_ends()
	local channel, pointer = debugchannel.create()
	check.equal("the pointer", type(pointer), "userdata")
	local other = debugchannel.connect(pointer)
	check.fails("a third end", "new channel failed", debugchannel.connect, pointer)
	check.fails("no pointer", "Invalid channel pointer", debugchannel.connect, nil)
	check.equal("nothing there", { other:read() }, {})
	channel:write "one"
	channel:write "\0two"
	check.equal("in order", { other:read(), (other:read()) }, { "one", "\0two" })
	check.equal("after a wait", { other:read(0.01) }, {})
	channel = nil
	collectgarbage()
	check.equal("the other end is gone", { other:read() }, {})
end

local function a_hook_that_stops()
	local lines = {}
	local co = coroutine.create(function()
		local a = 1
		a = a + 1
		return a
	end)
	debugchannel.sethook(co, function(event, line)
		lines[#lines + 1] = event
		return line ~= nil
	end, "l")
	check.equal("at the first line", { coroutine.resume(co) }, { true })
	check.equal("suspended", coroutine.status(co), "suspended")
	check.equal("at the second", { coroutine.resume(co) }, { true })
	debugchannel.sethook(co)
	check.equal("without the hook", { coroutine.resume(co) }, { true, 2 })
	check.equal("line events", lines, { "line", "line" })
end

check.main(function()
	two_ends()
	a_hook_that_stops()
end)
