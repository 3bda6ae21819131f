-- snax: methods called by name, how services of it start and end, and what is known of their work.

local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"

local function calls()
	local obj = snax.newservice("counter", 5, "a", nil, { 1 })
	check.equal("init gets the arguments", obj.req.arguments(), { "a", nil, { 1 }, n = 3 })
	obj.post.add(2)
	check.equal("posts and calls come in order", obj.req.get(), 7)
	check.equal("results keep nils", select("#", obj.req.echo(nil, 1, nil)), 3)
	check.equal("no results", select("#", obj.req.echo()), 0)
	check.that("functions are made once", obj.req.get == obj.req.get)
	check.fails("an error", "call failed$", obj.req.fail)
	obj.post.fail()
	check.equal("the service goes on", obj.req.get(), 7)
	check.fails("an unknown name", "request counter:nothing no exist$", function() return obj.req.nothing end)
	check.fails("the other group", "post counter:get no exist$", function() return obj.post.get end)
	local handle, name, text = obj.req.who()
	check.equal("it knows itself", { handle, name, text }, { obj.handle, "counter", tostring(obj) })
	check.that("one object a service", snax.bind(obj.handle, "counter") == obj)
	check.fails("of one type", "assertion failed!$", snax.bind, obj.handle, "other")
	check.fails("a file that is not there", "cannot open .*nosuch.lua", snax.newservice, "nosuch")
end

local function profiles()
	local obj = snax.newservice "counter"
	obj.req.spin()
	for _ = 1, 3 do
		pcall(obj.req.fail)
	end
	local info = snax.profile_info(obj)
	check.equal("runs are counted", { info.spin.count, info.fail.count, info.get }, { 1, 3, nil })
	check.that("time is that of the CPU", info.spin.time > 0 and info.spin.time < 5)
	check.equal("INFO tells the same", skynet.call(obj.handle, "debug", "INFO").fail.count, 3)
end

local function ends()
	local told
	skynet.dispatch("lua", function(_, _, ...) told = { ... } end)
	local obj = snax.newservice "counter"
	check.equal("kill returns nothing", select("#", snax.kill(obj, skynet.self(), "gone")), 0)
	check.await(function() return told end)
	check.equal("exit gets the arguments", told, { "gone" })
	-- Repeated, as whoever has the answer must never find the service still there.
	for _ = 1, 20 do
		local other = snax.newservice "counter"
		snax.kill(other)
		check.fails("after kill it is gone", "call to invalid address", other.req.get)
	end
	check.equal("a post to it is dropped", select("#", obj.post.add(1)), 0)
	obj = snax.newservice "counter"
	check.fails("an error in exit", "call failed$", snax.kill, obj, "fail")
	check.equal("keeps the service", obj.req.get(), 0)
	told = nil
	obj.post.leave(skynet.self(), "left")
	check.await(function() return told end)
	check.equal("it may end itself", told, { "left" })
	check.fails("an error in init", "call failed$", snax.newservice, "counter", "fail")
end

local function unique()
	local queried
	skynet.fork(function() queried = snax.queryservice "counter" end)
	local obj = snax.uniqueservice("counter", 1)
	check.that("one for all", snax.uniqueservice("counter", 2) == obj)
	check.await(function() return queried end)
	check.that("who waited has it too", queried == obj and obj.req.get() == 1)
	local global = snax.globalservice("counter", 3)
	check.that("the global one is another", global ~= obj and snax.queryglobal "counter" == global)
	check.equal("listed", skynet.call(".service", "lua", "LIST")["snaxd.counter"], skynet.address(obj.handle))
end

local function wire()
	local address = skynet.newservice("snaxd", "counter")
	local function call(...)
		return skynet.call(address, "snax", ...)
	end
	local numbers = snax.interface "counter".response
	check.fails("methods before init", "call failed$", call, numbers.get)
	check.fails("exit before init", "call failed$", call, 2)
	check.equal("profile before init", call(4), {})
	call(1, 8)
	check.equal("then they work", call(numbers.get), 8)
	check.fails("init again", "call failed$", call, 1)
	check.fails("an unknown number", "call failed$", call, 99)
	check.fails("no number", "call failed$", call)
end

check.main(function()
	calls()
	profiles()
	ends()
	unique()
	wire()
end)
