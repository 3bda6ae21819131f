-- `skynet.service`: services made from a function.

local skynet = require "skynet"
local service = require "skynet.service"
local check = require "check"

local function counter(first)
	local skynet = require "skynet"
	local n = first
	skynet.start(function()
		skynet.dispatch("lua", function()
			n = n + 1
			skynet.retpack(n, SERVICE_NAME)
		end)
	end)
end

check.main(function()
	local queried
	skynet.fork(function() queried = service.query "counter" end)
	skynet.yield()
	local a = service.new("counter", counter, 5)
	check.equal("it runs", { skynet.call(a, "lua") }, { 6, "service_cell" })
	check.await(function() return queried end)
	check.equal("who waited has it", queried, a)
	check.equal("new finds it", service.new "counter", a)

	local upvalue = 1
	check.fails("a function with upvalues", "assertion failed!$", service.new, "x", function() return upvalue, print end)
	check.fails("without globals", "assertion failed!$", service.new, "x", function() return 1 end)
	check.fails("no function", "assertion failed!", service.new, "x")

	check.fails("a failure", "call failed$", service.new, "failing", function() error "fails" end)
	check.fails("is kept", "call failed$", service.query, "failing")
	check.equal("close forgets it", service.close "failing", false)
	check.equal("then it may be made", math.type(service.new("failing", counter, 0)), "integer")

	check.equal("close", service.close "counter", true)
	check.fails("ends it", "call to invalid address", skynet.call, a, "lua")
	check.equal("once", service.close "counter", false)
	check.that("the name is free", service.new("counter", counter, 0) ~= a)

	local info = skynet.call(skynet.queryservice "service_provider", "debug", "INFO")
	check.equal("INFO tells the arguments", info[skynet.address(service.query "counter")].init, "0")
end)
