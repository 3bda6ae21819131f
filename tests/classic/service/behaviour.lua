-- The classic path as a program sees it: calls, errors, coroutines that are preempted, services that loop or eat
-- memory, wrong arguments. Prints PASS, or FAIL with what did not hold.

local skynet = require "skynet"
local core = require "skynet.core"

local kinds = skynet.kinds
local failed = false

local function check(what, condition, ...)
	if not condition then
		failed = true
		print("FAIL " .. what, ...)
	end
end

local function fails(what, pattern, f, ...)
	local ok, message = pcall(f, ...)
	check(what, not ok and tostring(message):find(pattern), ok, message)
end

local function calls(worker)
	local values = table.pack(skynet.call(worker, "echo", 1, "two", nil, { 3 }))
	check("call through an own dispatcher", values[1] == 1 and values[2] == "two" and values[3] == nil)
	local first, second = skynet.call(worker, "slow_echo", "a", "b")
	check("a handler that waits", first == "a" and second == "b")
	check("an error in a handler is an error of the call", not pcall(skynet.call, worker, "fail"))
	check("the service lives on", skynet.call(worker, "echo", "again") == "again")
end

-- Two services count for longer than a slice while others want the workers; results must not be touched.
local function preemption(worker)
	local other = skynet.launch "worker other"
	skynet.send(other, "count", 30000000)
	local began = core.hpc()
	local sum, word = skynet.call(worker, "count", 20000000)
	local expected = 0
	for i = 1, 20000000 do
		expected = expected + i % 3
	end
	check("a preempted coroutine keeps its values", sum == expected, sum)
	check("and is resumed as usual after it", word == "end", word)
	check("time passed", core.hpc() > began)
	core.command("KILL", (".worker_other"))
end

local function stuck_services()
	for _, command in ipairs { "loop", "stubborn_loop" } do
		local worker = skynet.launch "worker stuck"
		check("launched", skynet.call(worker, "echo", true))
		skynet.send(worker, command)
		skynet.sleep(2)
		check(command .. " keeps nobody from being called", core.addresscommand("QUERY", ".worker_stuck") == worker)
		core.command("KILL", ".worker_stuck")
		check(command .. " can be killed", core.addresscommand("QUERY", ".worker_stuck") == nil)
	end
	for _, kind in ipairs { "loop_in_main", "raw" } do
		local looping = skynet.launch("worker " .. kind)
		core.send(looping, kinds.LUA, 0, "")
		skynet.sleep(2)
		core.command("KILL", string.format(":%x", looping))
		check("a killed service takes no message", core.send(looping, kinds.LUA, 0, "") == nil)
	end
end

local function signals()
	local worker = skynet.launch "worker signalled"
	skynet.call(worker, "echo")
	skynet.send(worker, "loop")
	skynet.sleep(2)
	core.command("SIGNAL", string.format(":%x 0", worker))
	check("signal 0 ends a loop", skynet.call(worker, "echo", "free") == "free")
	core.command("KILL", ".worker_signalled")
end

local function memory()
	local worker = skynet.launch "worker limited"
	local ok, message = skynet.call(worker, "grow")
	check("a limit set in the registry holds", ok == false and message == "not enough memory", ok, message)
	check("the service lives on after it", skynet.call(worker, "echo", 1) == 1)
	core.command("KILL", ".worker_limited")
end

local function modules()
	check("skynet is the file", skynet.origin == "tests/classic")
	check("a module that stands on skynet is the file beside it", require("skynet.queue").origin == "file")
	local names = require("skynet.require").names
	check("require in a coroutine is the framework's", names[#names] == "skynet.require", names[#names])
	check("natives are ours", type(core.callback) == "function" and require "skynet.core" == core)
end

-- A pointer that nobody gave out: only the packed form of a light userdata can hold one.
local function forged(address)
	return (core.unpack("\x03" .. string.pack("<I8", address)))
end

local function bad_addresses()
	for _, address in ipairs { 0, false, {}, print } do
		fails("send to a wrong address", "address", core.send, address, kinds.LUA, 0, "")
		fails("redirect to a wrong address", "address", core.redirect, address, 1, kinds.LUA, 0, "")
	end
	fails("no address", "type %(no value%)", core.send)
	check("nobody has the name", core.send(".no such", kinds.LUA, 0, "") == nil)
	check("no service there", core.send(0x00ffffff, kinds.LUA, 0, "x") == nil)
	fails("a type that is no number", "number expected", core.send, 1, "lua", 0, "")
	fails("a session that is no number", "number expected", core.send, 1, kinds.LUA, {}, "")
	fails("no message", "invalid param", core.send, 1, kinds.LUA, 0)
	fails("a table as message", "invalid param table", core.send, 1, kinds.LUA, 0, {})
	fails("a source that is no number", "number expected", core.redirect, 1, {}, kinds.LUA, 0, "")
end

local function bad_pointers()
	local null, low, odd = forged(0), forged(8), forged(0x7f0000000001)
	local high = forged(-16)
	local me = core.addresscommand "REG"
	for _, pointer in ipairs { low, odd, high } do
		fails("a pointer that is none is not sent", "invalid param", core.send, me, kinds.LUA, 0, pointer, 10)
		fails("nor redirected", "invalid param", core.redirect, me, me, kinds.LUA, 0, pointer, 10)
		fails("nor freed", "invalid param", core.trash, pointer, 10)
	end
	for _, pointer in ipairs { null, low, high } do
		fails("nor read", "skynet.tostring invalid param", core.tostring, pointer, 10)
		fails("nor unpacked", "deserialize null pointer", core.unpack, pointer, 10)
	end
	fails("null with a size", "invalid param", core.send, me, kinds.LUA, 0, null, 10)
	local block, size = core.pack("some", "values")
	fails("more than the memory has", "more than", core.send, me, kinds.LUA, 0, block, size + 4096)
	fails("no size", "number expected", core.send, me, kinds.LUA, 0, block)
	check("too large", core.send(me, kinds.LUA, 0, core.pack(1), -1) == false)
	fails("wrong size to read", "invalid param", core.tostring, block, -1)
	fails("size of another type", "number expected", core.tostring, block, {})
	fails("trash of a table", "skynet.trash invalid param table", core.trash, {}, 1)
	core.trash(block, size)
	fails("unpack of garbage", "Invalid serialize stream", core.unpack, "\xff\xff\xff")
	fails("unpack of a function", "bad argument", core.unpack, print)
end

local function bad_commands()
	fails("callback without function", "function expected", core.callback)
	fails("callback of a table", "function expected", core.callback, {})
	fails("command without name", "string expected", core.command)
	fails("command of a table", "string expected", core.command, {})
	for _, name in ipairs { "GETENV", "QUERY", "NAME", "KILL", "LAUNCH", "SETENV", "STAT", "SIGNAL", "TIMEOUT", "LOGON" } do
		check(name .. " without parameter", core.command(name) == nil)
		check(name .. " as integer", core.intcommand(name) == nil)
		check(name .. " as address", core.addresscommand(name) == nil)
	end
	check("unknown command", core.command("NOSUCH", "x") == nil)
	fails("a result that is no number", "Invalid result", core.intcommand, "GETENV", "start")
	fails("half a tick", "no integer representation", core.intcommand, "TIMEOUT", 1.5)
	fails("a table of ticks", "string expected", core.intcommand, "TIMEOUT", {})
	fails("harbor of a text", "number expected", core.harbor, "x")
	fails("trace without text", "string expected", core.trace, "tag")
	fails("trace without tag", "string expected", core.trace)
	check("levels far away", pcall(core.trace, "tag", "text", coroutine.create(print), 1 << 40))
	fails("log line of what has no text", "must return a string", core.error, setmetatable({}, { __tostring = function() end }))
	fails("pack of a function", "Unsupport type function", core.pack, print)
end

-- What the framework will free is not the program's to give away; a callback with forward owns its messages.
local function own_messages(done)
	local result = {}
	local me = core.addresscommand "REG"
	core.callback(function(kind, pointer, size, session, source)
		if kind ~= kinds.TEXT then
			return
		end
		result.sent = pcall(core.send, me, kinds.SYSTEM, 0, pointer, size)
		result.freed = pcall(core.trash, pointer, size)
		result.beyond = pcall(core.tostring, pointer, size + 1)
		result.text = core.tostring(pointer, size)
		core.callback(function(kind2, pointer2, size2)
			if kind2 == kinds.TEXT then
				result.forwarded = core.send(me, kinds.SYSTEM, 0, pointer2, size2)
			elseif kind2 == kinds.SYSTEM then
				result.arrived = core.tostring(pointer2, size2)
				core.trash(pointer2, size2)
				done(result)
			end
		end, true)
		core.send(me, kinds.TEXT, 0, "second")
	end)
	core.send(me, kinds.TEXT, 0, "first")
end

skynet.start(function()
	modules()
	local worker = skynet.launch "worker"
	calls(worker)
	preemption(worker)
	stuck_services()
	signals()
	memory()
	bad_addresses()
	bad_pointers()
	bad_commands()
	own_messages(function(result)
		check("a message in work is not sent", result.sent == false)
		check("nor freed", result.freed == false)
		check("nor read beyond its end", result.beyond == false)
		check("but read", result.text == "first")
		check("forwarded", result.forwarded == 0 and result.arrived == "second", result.arrived)
		print(failed and "FAIL above" or "PASS")
		core.command "ABORT"
	end)
end)
