-- One console connection after the other: lines in pieces and in heaps, HTTP, ends in the middle.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local console = require "console_client"

local port

-- All that the console writes until it closes, for one text sent.
local function all_of(text)
	local c = console.connect(port)
	c:send(text)
	local all = socket.readall(c.id)
	c:close()
	return all
end

local THREAD = "thread\t2\n<CMD OK>\n"
local INVALID = "Invalid command, type help for command list\n\n<CMD Error>\n"

local function http()
	check.equal("GET", all_of "GET /getenv/thread HTTP/1.1\r\n\r\n", THREAD)
	check.equal("without a version", all_of "GET /getenv/thread\r\n\r\n", INVALID)
	check.equal("another version", all_of "GET /getenv/thread HTTP/2.0\r\n\r\n", "")
	check.equal("POST", all_of "POST /x HTTP/1.0\r\nContent-Length: 13\r\n\r\ngetenv thread", THREAD)
	check.equal("without a length", all_of "POST /x HTTP/1.0\r\n\r\ngetenv thread", THREAD)
	check.equal("chunked", all_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		.. "6\r\ngetenv\r\n7\r\n thread\r\n0\r\n\r\n"), THREAD)
	check.equal("chunks that are none", all_of "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx", "")
	check.equal("a large body", all_of "POST / HTTP/1.1\r\nContent-Length: 8193\r\n\r\n", "")
	check.equal("a strange header", all_of "GET /getenv/thread HTTP/1.1\r\nstrange\r\n\r\n", "")
end

local function lines()
	local c = console.connect(port)
	c:send "getenv thread\r\n\nnosuch\n \ngetenv"
	check.equal("the first", { c:answer() }, { "thread\t2", "OK>" })
	check.equal("the second", { c:answer() }, { "Invalid command, type help for command list\n", "Error>" })
	check.equal("a blank one", { c:answer() }, { "Invalid command, type help for command list\n", "Error>" })
	c:send " thread\n"
	check.equal("in pieces", { c:answer() }, { "thread\t2", "OK>" })
	check.equal("binary", { c:ask "\xff\0\xfe" }, { "Invalid command, type help for command list\n", "Error>" })
	c:send(("getenv thread\n"):rep(5000))
	for i = 1, 5000 do
		if c:answer() ~= "thread\t2" then
			check.that("answer " .. i .. " of a heap", false)
			break
		end
	end
	c:send(("x"):rep(2 * 1024 * 1024))
	check.equal("a line without end", { c:answer() }, { "" })
	c:close()
end

local function ends()
	local victim = skynet.newservice "victim"
	local c = console.connect(port)
	c:send(("call %x 'sleep'\n"):format(victim))
	c:close()
	c = console.connect(port)
	check.equal("others go on", { c:ask(("call %x 'add',1,2"):format(victim)) }, { "1\t3\nn\t1", "OK>" })
	c:close()
	-- When the last is gone, nothing of them is left.
	local mine = 0
	check.await(function()
		mine = 0
		for _, row in ipairs(socket.netstat()) do
			mine = mine + (row.type == "TCP" and 1 or 0)
		end
		return mine == 0
	end)
end

check.main(function()
	port = console.launch()
	local c = console.connect(port)
	check.equal("the greeting", c.greeting, "Welcome to skynet console")
	c:close()
	check.fails("three arguments", nil, skynet.newservice, "debug_console", "127.0.0.1", 0, "more")
	check.fails("a port that is taken", nil, skynet.newservice, "debug_console", port)
	http()
	lines()
	ends()
end)
