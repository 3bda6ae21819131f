-- The console answers while every worker is in an endless loop, says who is stuck and where, and ends the loops.

local skynet = require "skynet"
local check = require "check"
local console = require "console_client"

check.main(function()
	local port = console.launch()
	local c = console.connect(port)
	local victims = {}
	-- More than the node has workers.
	for i = 1, 3 do
		victims[i] = skynet.newservice "victim"
		skynet.send(victims[i], "lua", "spin")
	end
	local function name(i)
		return skynet.address(victims[i])
	end
	check.that("list", c:ask("list"):find(name(1) .. "\tsnlua victim", 1, true))
	check.equal("getenv", c:ask "getenv thread", "thread\t2")
	check.that("netstat", c:ask("netstat"):find "type:LISTEN")
	check.that("mem with a limit", c:ask("mem 10"):find(name(1) .. "\tTIMEOUT (snlua victim)", 1, true))

	local stuck
	check.await(function()
		stuck = c:ask "stuck 0.05"
		local _, places = stuck:gsub("\tat:[^\t\n]*victim%.lua:%d+", "")
		return places == 3
	end)
	local line = stuck:match(name(2) .. "\t([^\n]*)") or ""
	check.that("the place: " .. line, line:find "at:[^\t]*victim%.lua:[89]\t")
	check.that("the function", line:find "function:[^\t]*spin_here")
	check.that("the sender", line:find("from:" .. skynet.address(skynet.self()), 1, true))
	check.that("the type", line:find "type:lua")
	check.that("the service", line:find("service:snlua victim", 1, true))

	check.equal("signal", { c:ask("signal " .. name(1)) }, { "", "OK>" })
	check.equal("the loop is broken", skynet.call(victims[1], "lua", "add", 1, 2), 3)
	check.equal("kill", c:ask("kill " .. name(2):sub(2)), name(2) .. "\tsnlua victim")
	check.that("it is gone", not c:ask("list"):find(name(2), 1, true))
	c:ask("kill " .. name(3))
	check.equal("a service that is not stuck", c:ask("stuck 5"), "")
end)
