-- A plain coroutine that blocks and is resumed by the program before its answer is there gets an error, and never
-- what came for somebody else; one whose wait is passed on by hand goes on with its answer.

local skynet = require "skynet"
local check = require "check"

local function blocked_call(to, ...)
	local args = table.pack(...)
	local co = coroutine.create(function()
		return skynet.call(to, "lua", table.unpack(args))
	end)
	local ok, what = coroutine.resume(co)
	check.equal("a wait in a plain coroutine", { ok, what }, { true, "SUSPEND" })
	return co
end

-- What is resumed in a message that is no answer must not find the answer of an earlier one.
local function too_early(me)
	local co
	skynet.dispatch("lua", function(_, _, what)
		if what == "resume" then
			skynet.retpack(coroutine.resume(co))
		end
		-- "never" gets no answer.
	end)
	skynet.fork(function()
		co = blocked_call(me, "never")
	end)
	skynet.yield()
	local peer = skynet.newservice "peer"
	check.equal("another call", #skynet.call(peer, "lua", "echo", string.rep("secret", 100)), 600)
	local ok, message = skynet.call(me, "lua", "resume")
	check.equal("no answer", ok, false)
	check.that("and said so", tostring(message):find "call failed")
	return peer
end

local function passed_on(peer)
	local inner = blocked_call(peer, "echo", "passed on")
	coroutine.yield "SUSPEND"
	local ok, answer = coroutine.resume(inner)
	check.equal("the answer of a wait passed on by hand", { ok, answer }, { true, "passed on" })
end

check.main(function()
	local peer = too_early(skynet.self())
	passed_on(peer)
	local ok, message = coroutine.resume(coroutine.running())
	check.equal("a coroutine that resumes itself", { ok, message }, { false, "cannot resume non-suspended coroutine" })
end)
