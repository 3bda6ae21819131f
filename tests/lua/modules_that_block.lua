-- `require` in coroutines: loaded once, init functions, failures, circles.

local skynet = require "skynet"
local check = require "check"

-- The modules; a global `LOG` tells what ran.
local sources = {
	slow = [[
		local skynet = require "skynet"
		LOG[#LOG + 1] = "main " .. ...
		skynet.init(function() skynet.yield() LOG[#LOG + 1] = "init" end)
		skynet.sleep(1)
		return { "slow" }
	]],
	outer = [[
		local skynet = require "skynet"
		skynet.init(function() LOG[#LOG + 1] = "init outer" end)
		local inner = require "test.inner"
		return inner .. " outer"
	]],
	inner = [[
		local skynet = require "skynet"
		skynet.init(function() LOG[#LOG + 1] = "init inner" end)
		skynet.yield()
		return "inner"
	]],
	fails = [[ require("skynet").sleep(1) error "broken" ]],
	circle1 = [[ return require "test.circle2" ]],
	circle2 = [[ return require "test.circle1" ]],
	nothing = [[ require("skynet").yield() ]],
}

-- The module files are written to a folder of the system's, so that the ordinary search finds them.
local folder = os.tmpname()
os.remove(folder)

local function write_modules()
	os.execute(string.format("mkdir -p '%s/test'", folder))
	for name, source in pairs(sources) do
		local file <close> = assert(io.open(string.format("%s/test/%s.lua", folder, name), "w"))
		file:write(source)
	end
	package.path = folder .. "/?.lua;" .. package.path
end

local inits = {}
skynet.init(function() skynet.yield() inits[#inits + 1] = "first" end)
skynet.init(function() inits[#inits + 1] = "second" end)

check.main(function()
	check.equal("init functions of the main file ran in order", inits, { "first", "second" })
	check.fails("init in an ordinary coroutine", nil, skynet.init, print)
	check.fails("init takes functions", "assertion failed!", skynet.init, 5)
	LOG = {}
	write_modules()

	local got = {}
	for i = 1, 3 do
		skynet.fork(function() got[i] = require "test.slow" end)
	end
	check.await(function() return #got == 3 end)
	check.equal("the module ran once, its init before require returned", LOG, { "main test.slow", "init" })
	check.that("all have the same", got[1] == got[2] and got[2] == got[3])
	check.that("as package.loaded", package.loaded["test.slow"] == got[1])

	LOG = {}
	check.equal("a module that requires another", require "test.outer", "inner outer")
	check.equal("the inner one is ready first", LOG, { "init inner", "init outer" })
	check.equal("a module without a value", require "test.nothing", true)

	local first, second
	skynet.fork(function() first = { pcall(require, "test.fails") } end)
	skynet.fork(function() second = { pcall(require, "test.fails") } end)
	check.await(function() return first and second end)
	check.that("the error comes with a traceback", first[2]:find "broken" and first[2]:find "stack traceback:")
	check.that("who waited is told", second[2]:find "require test.fails failed")
	check.equal("it is not loaded", package.loaded["test.fails"], nil)
	check.fails("a missing module", "module 'test.missing' not found:", require, "test.missing")
	check.fails("a circle", "circular dependency", require, "test.circle1")
	os.execute(string.format("rm -r '%s'", folder))
end)
