-- The remote debugger: stepping over waits, errors and native functions; preemption; leaving in the middle.

local skynet = require "skynet"
local check = require "check"
local console = require "console_client"

local port, victim, c, normal

-- The prompt at a line of the victim; its dispatch function begins at line 45.
local function at(line)
	return ("victim.lua(%d)>"):format(line)
end

local function type_line(line, prompt)
	c:send(line .. "\n")
	return c:upto(prompt or normal)
end

local function attach()
	c:send(("debug %x\n"):format(victim))
	c:upto(normal)
end

-- Calls the victim; gives a function that waits for the answer.
local function stop_in(...)
	check.equal("watch", type_line "watch 'lua'", "\n")
	local result
	skynet.fork(function(...)
		result = table.pack(pcall(skynet.call, victim, "lua", ...))
	end, ...)
	c:upto(at(45))
	return function()
		return check.await(function() return result end)
	end
end

local function natives_and_waits()
	local answered = stop_in "sort"
	type_line("n", at(46))
	for _, line in ipairs { 20, 21, 23, 21, 24, 47 } do
		type_line("s", at(line))
	end
	type_line "s"
	check.equal("a comparison cannot stop", answered(), { true, 1, n = 2 })

	answered = stop_in "sleep"
	type_line("n", at(46))
	type_line("s", at(28))
	type_line("n", at(29))
	type_line("n", at(30))
	check.that("a local after the wait", type_line("mine", at(30)):find "^1\t\n")
	type_line("mine = 41", at(30))
	type_line "c"
	check.equal("the changed local", answered(), { true, 42, n = 2 })
end

local function errors_and_the_end()
	local answered = stop_in("fail", "here")
	type_line("n", at(46))
	type_line "n"
	check.equal("an error ends the stepping", answered()[1], false)

	answered = stop_in("add", 1, 2)
	c:send "n\ns\nsum\n"
	c:upto(at(46))
	c:upto(at(38))
	check.that("lines sent at once wait for the stop", c:upto(at(38)):find "^nil\t\n")
	c:send "cont\n"
	check.equal("cont while stopped", { c:answer() }, { "", "OK>" })
	check.equal("lets it run on", answered(), { true, 3, n = 2 })
	check.equal("the console again", c:ask "getenv thread", "thread\t2")
	check.equal("no stop without the debugger", skynet.call(victim, "lua", "add", 2, 2), 4)
end

-- A loop in a function that is stepped over.
local function a_loop()
	attach()
	local answered = stop_in "spin"
	type_line("n", at(46))
	c:send "n\n"
	local d = console.connect(port)
	check.await(function() return d:ask "stuck 0.05":find "spin" end)
	check.equal("others run", d:ask "getenv thread", "thread\t2")
	check.equal("signal", { d:ask(("signal %x"):format(victim)) }, { "", "OK>" })
	check.equal("breaks the loop", answered()[1], false)
	c:upto(normal)
	check.equal("a second debugger", { d:ask(("debug %x"):format(victim)) }, { "Debugger attach failed", "Error>" })
	c:close()
	check.await(function() return not d:ask("list"):find "debug_agent" end)
	check.equal("the end of the connection leaves", skynet.call(victim, "lua", "add", 2, 2), 4)
end

check.main(function()
	port = console.launch()
	victim = skynet.newservice "victim"
	normal = skynet.address(victim) .. ">"
	c = console.connect(port)
	attach()
	natives_and_waits()
	errors_and_the_end()
	a_loop()
end)
