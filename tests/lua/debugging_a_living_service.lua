-- The debug protocol, code put into a service, code put into a function.

local skynet = require "skynet"
local injectcode = require "skynet.injectcode"
local check = require "check"

local state = { n = 1 }
local count = 0

local function target(a, ...)
	local b = 2
	local function uses() return count end
	check.equal("names of the function", { injectcode "return a, b, count, ..." }, { true, 1, 2, 0, "x" })
	check.equal("assignments", injectcode "a = 10 b = nil count = 5", true)
	check.equal("take effect", { a, b, count, uses() }, { 10, nil, 5, 5 })
	check.equal("errors name the line", { injectcode "\nerror 'x'" }, { false, "(debug):4: x" })
	check.equal("further names", { injectcode("return f(a)", nil, 0, { f = tostring }) }, { true, "10" })
	check.equal("globals", { injectcode "return print ~= nil, SERVICE_NAME" }, { true, true, SERVICE_NAME })
	return true
end

check.main(function()
	skynet.dispatch("lua", function(_, _, cmd)
		if cmd == "wait" then
			skynet.wait "debugged"
		end
		skynet.retpack(state.n)
	end)
	skynet.info_func(function(...) return "info", ... end)
	local function debug(...)
		return skynet.call(skynet.self(), "debug", ...)
	end
	check.equal("MEM", math.type(debug "MEM"), "float")
	check.equal("PING", select("#", debug "PING"), 0)
	check.equal("INFO", { debug("INFO", 1) }, { "info", 1 })
	check.equal("SUPPORT", { debug("SUPPORT", "lua"), debug("SUPPORT", "none") }, { true, false })
	check.equal("STAT", type(debug "STAT".message), "number")
	check.fails("an unknown command", "call failed$", debug, "NOTHING")

	local result
	skynet.fork(function() result = { pcall(skynet.call, skynet.self(), "lua", "wait") } end)
	skynet.yield()
	skynet.yield()
	check.that("TASK lists what waits", next(debug "TASK"))
	check.that("UNIQTASK groups it", next(debug "UNIQTASK"))
	skynet.wakeup "debugged"
	check.await(function() return result end)
	check.equal("it was only looked at", result, { true, 1 })
	check.equal("KILLTASK of nothing", debug("KILLTASK", "no such thread"), "Not found")

	check.equal("RUN sees the tables of the program", { debug("RUN", "_P.lua.state.n = 7 print(_P.lua.state.n, ...)", "f", "arg") },
		{ true, "7\targ" })
	check.equal("and changes them", skynet.call(skynet.self(), "lua"), 7)
	check.equal("RUN with an error", { debug("RUN", "print 'a' error 'b'", "f") }, { false, "a\nf:1: b" })
	check.equal("RUN that does not compile", { debug("RUN", "x x", "f") }, { false, "f:1: syntax error near 'x'" })

	require("skynet.debug").reg_debugcmd("MINE", function(...) skynet.retpack("mine", ...) end)
	check.equal("a command of the program", { debug("MINE", 2) }, { "mine", 2 })
	check.that("code in a function", target(1, "x"))
end)
