-- The commands of the debug console: name -> help text and function.
--
-- A function gets the words of the line (the command itself is the first), the line and the connection. What it
-- returns is written by `welkin.console.format`; an error it raises is written as the answer. Help texts are part of
-- the interface, with their spelling.

local skynet = require "skynet"
local core = require "skynet.core"
local format = require "welkin.console.format"

---@class welkin.console.Command
---@field help string
---@field run fun(words: string[], line: string, session: welkin.console.Session): any

---@type table<string, welkin.console.Command>
local M = {}

---@param name string
---@param help string
---@param run function
local function command(name, help, run)
	M[name] = { help = help, run = run }
end

-- What a command's address means: `.name`, `:hex` as it is, or hexadecimal digits in this node.
local function to_address(text)
	local first = text:sub(1, 1)
	if first == "." then
		return assert(skynet.localname(text), "Not a valid name")
	elseif first == ":" then
		return text
	end
	local address = text:find "^%x+$" and tonumber(text, 16)
	assert(address, "Need an address")
	if address & 0xff000000 == 0 then
		address = address | skynet.harbor(skynet.self()) << 24
	end
	return address
end

-- Asks a service by the debug protocol.
local function ask(address, ...)
	return skynet.call(to_address(address), "debug", ...)
end

command("help", "This help message", function()
	local texts = {}
	for name, entry in pairs(M) do
		texts[name] = entry.help
	end
	return texts
end)

-- Services

-- Hundredths of a second to wait, as the launcher takes it: nil is without limit.
local function time_limit(text)
	local ti = assert(tonumber(text or 300), "Need a number of hundredths of a second")
	return ti > 0 and ti or nil
end

command("list", "List all the service", function()
	return skynet.call(".launcher", "lua", "LIST")
end)

command("stat", "Dump all stats", function(words)
	return skynet.call(".launcher", "lua", "STAT", time_limit(words[2]))
end)

command("mem", "mem : show memory status", function(words)
	return skynet.call(".launcher", "lua", "MEM", time_limit(words[2]))
end)

command("gc", "gc : force every lua service do garbage collect", function(words)
	return skynet.call(".launcher", "lua", "GC", time_limit(words[2]))
end)

-- The answer of the commands that start a service.
local function started(ok, address, name)
	if not ok then
		return "Failed"
	elseif address == nil then
		return "Exit"
	end
	return { [skynet.address(address)] = name }
end

command("start", "lanuch a new lua service", function(words)
	local ok, address = pcall(skynet.newservice, table.unpack(words, 2))
	return started(ok, address, words[2])
end)

command("log", "launch a new lua service with log", function(words)
	local ok, address = pcall(skynet.call, ".launcher", "lua", "LOGLAUNCH", "snlua", table.unpack(words, 2))
	return started(ok and address, address, words[2])
end)

command("snax", "lanuch a new snax service", function(words)
	local ok, service = pcall(function()
		return require("skynet.snax").newservice(table.unpack(words, 2))
	end)
	return started(ok, ok and service.handle, words[2])
end)

command("kill", "kill address : kill service", function(words)
	return skynet.call(".launcher", "lua", "KILL", to_address(words[2]))
end)

command("exit", "exit address : kill a lua service", function(words)
	skynet.send(to_address(words[2]), "debug", "EXIT")
end)

command("service", "List unique service", function()
	return skynet.call("SERVICE", "lua", "LIST")
end)

-- Milliseconds in one message from which on a service counts as stuck, if the command does not say it.
local STUCK_MS = 1000

command("stuck", "stuck [seconds] : services that are in one message for long, and where", function(words)
	return require "welkin.console.stuck"(words[2] and math.ceil(tonumber(words[2]) * 1000) or STUCK_MS)
end)

command("waits", "waits : calls that wait for their answer, cycles first", function()
	return require "welkin.console.waits"()
end)

-- One service

command("ping", "ping address", function(words)
	local address, start = to_address(words[2]), skynet.now()
	skynet.call(address, "debug", "PING")
	return tostring(skynet.now() - start)
end)

command("call", "call address ...", function(words, line)
	local address = to_address(words[2])
	local text = assert(line:match "^%s*%S+%s+%S+%s(.+)$", "need arguments")
	local arguments = assert(load("return " .. text, "debug console", "t", {}), "Invalid arguments")
	local values = table.pack(pcall(arguments))
	if not values[1] then
		error(values[2])
	end
	return table.pack(skynet.call(address, "lua", table.unpack(values, 2, values.n)))
end)

command("info", "info address : get service infomation", function(words)
	return (ask(words[2], "INFO", table.unpack(words, 3)))
end)

command("task", "task address : show service task detail", function(words)
	return (ask(words[2], "TASK"))
end)

command("uniqtask", "task address : show service unique task detail", function(words)
	return (ask(words[2], "UNIQTASK"))
end)

command("killtask", "killtask address threadname : threadname listed by task", function(words)
	return (ask(words[2], "KILLTASK", words[3]))
end)

command("dbgcmd", "run address debug command", function(words)
	return (ask(words[2], table.unpack(words, 3)))
end)

command("inject", "inject address luascript.lua", function(words)
	local address, name = to_address(words[2]), words[3]
	local file = io.open(name, "rb")
	if file == nil then
		return "Can't open " .. name
	end
	local source = file:read "a"
	file:close()
	if source == nil then
		return "Can't open " .. name
	end
	local ok, output = skynet.call(address, "debug", "RUN", source, name, table.unpack(words, 4))
	if not ok then
		error(output)
	end
	return output
end)

command("trace", "trace address [proto] [on|off]", function(words)
	local proto, flag = words[3], words[4]
	if flag == nil and (proto == "on" or proto == "off") then
		proto, flag = "lua", proto
	end
	local switch
	if flag ~= nil then
		switch = flag == "on" or flag == "true"
	end
	return (ask(words[2], "TRACELOG", proto, switch))
end)

command("logon", "logon address", function(words)
	core.command("LOGON", skynet.address(to_address(words[2])))
end)

command("logoff", "logoff address", function(words)
	core.command("LOGOFF", skynet.address(to_address(words[2])))
end)

command("signal", "signal address sig", function(words)
	local address = skynet.address(to_address(words[2]))
	local number = assert(math.tointeger(tonumber(words[3] or 0)), "Need a number")
	core.command("SIGNAL", address .. " " .. number)
end)

-- The lines of the connection go to the debugged service until it is over; then the final line is written.
command("debug", "debug address : debug a lua service", function(words, _, session)
	return require "welkin.console.debugging"(to_address(words[2]), session)
end)

-- The node

command("getenv", "getenv name : skynet.getenv(name)", function(words)
	return { [words[2]] = tostring(skynet.getenv(words[2])) }
end)

command("setenv", "setenv name value: skynet.setenv(name,value)", function(words)
	skynet.setenv(words[2], words[3])
end)

command("clearcache", "clear lua code cache", function()
	require("skynet.codecache").clear()
end)

command("netstat", "netstat : show netstat", function()
	local rows = require("skynet.socket").netstat()
	local now = skynet.now()
	for _, row in ipairs(rows) do
		row.address = skynet.address(row.address)
		for _, count in ipairs { "read", "write", "wbuffer" } do
			row[count] = row[count] and format.bytes(row[count])
		end
		for _, time in ipairs { "rtime", "wtime" } do
			row[time] = row[time] and format.age(now - row[time])
		end
	end
	return rows
end)

command("cmem", "Show C memory info", function()
	local memory = require "skynet.memory"
	local figures = {}
	for address, bytes in pairs(memory.info()) do
		figures[skynet.address(address)] = bytes
	end
	figures.total, figures.block = memory.total(), memory.block()
	return figures
end)

command("jmem", "Show jemalloc mem stats", function()
	local figures = require("skynet.memory").jestat()
	for name, bytes in pairs(figures) do
		figures[name] = string.format("%11d  %8.2f Mb", bytes, bytes / (1024 * 1024))
	end
	return figures
end)

command("dumpheap", "dumpheap : dump heap profilling", function()
	require("skynet.memory").dumpheap()
end)

command("profactive", "profactive [on|off] : active/deactive jemalloc heap profilling", function(words)
	local memory = require "skynet.memory"
	if words[2] then
		memory.profactive(words[2] == "on")
	end
	return "heap profilling is " .. (memory.profactive() and "active" or "deactive")
end)

return M
