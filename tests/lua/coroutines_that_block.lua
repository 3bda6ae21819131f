-- `skynet.coroutine`: blocking calls inside of a program's own coroutines.

local skynet = require "skynet"
local coro = require "skynet.coroutine"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	local me = coroutine.running()

	local co = coro.create(function(a)
		local b = coro.yield(a, skynet.call(peer, "lua", "echo", "called"))
		skynet.sleep(1)
		return b, "end"
	end)
	check.equal("before", coro.status(co), "suspended")
	check.equal("a call inside blocks the one who resumes", { coro.resume(co, 1) }, { true, 1, "called" })
	local seen
	skynet.fork(function() seen = { coro.status(co), coro.resume(co) } end)
	check.equal("results", { coro.resume(co, 2) }, { true, 2, "end" })
	check.equal("meanwhile it was blocked", seen,
		{ "blocked", false, "cannot resume a skynet coroutine suspend by skynet framework" })
	check.equal("dead", { coro.resume(co) }, { false, "cannot resume dead coroutine" })
	check.equal("a standard coroutine", { coro.resume(coroutine.create(print)) },
		{ false, "cannot resume none skynet coroutine" })

	local sum = 0
	for i in coro.wrap(function()
		for i = 1, 3 do
			skynet.yield()
			coro.yield(i)
		end
	end) do
		sum = sum + i
	end
	check.equal("a generator that blocks", sum, 6)

	local top
	coro.wrap(function()
		coro.wrap(function()
			top = coro.thread()
			skynet.yield()
		end)()
	end)()
	check.that("thread() gives the service coroutine through any nesting", top == me)

	local failing = coro.create(function() skynet.yield() error "late" end)
	local ok, err = coro.resume(failing)
	check.that("an error after blocking", not ok and err:find "late$")
	local object = {}
	check.that("an error object through wrap", select(2, pcall(coro.wrap(function() error(object) end))) == object)

	local closed
	local open = coro.create(function()
		local _ <close> = setmetatable({}, { __close = function() closed = true end })
		coro.yield()
	end)
	coro.resume(open)
	check.equal("close", coro.close(open), true)
	check.that("runs closing variables", closed)
	check.equal("standard coroutines see the framework's yield",
		{ coroutine.resume(coroutine.create(function() skynet.wait "lost" end)) }, { true, "SUSPEND" })
end)
