-- Channels in session mode: answers in any order, strays, garbage and ends.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local line_server = require "line_server"

local LOST = socketchannel.error

local server

-- A request is its answers, with ";" between them.
local function handle(line)
	if line == "quit" then
		return false
	elseif line ~= "mute" then
		return (line:gsub(";", "\n"))
	end
end

-- `session ok data more`, with "-" for nil.
local function response(so)
	local line = so:readline()
	if line:find "^raise" then
		error(line)
	end
	local session, ok, data, more = line:match "^(%w+) (%w+) (%S+) (%w+)$"
	if session == nil then
		return
	end
	return math.tointeger(session) or session, ok == "ok", data ~= "-" and data or nil, more == "more"
end

local function new(desc)
	desc = desc or {}
	desc.host, desc.port, desc.response = "127.0.0.1", server.port, response
	return socketchannel.channel(desc)
end

local function start(f, ...)
	local result
	local co = skynet.fork(function(...) result = table.pack(pcall(f, ...)) end, ...)
	skynet.yield()
	return function()
		check.await(function() return result end)
		return table.unpack(result, 1, result.n)
	end, co
end

local function any_order(c)
	local first = start(c.request, c, "mute\n", 1)
	local second = start(c.request, c, "mute\n", "two")
	local third = start(c.request, c, "3 ok c end;two ok b end;99 ok stray end;1 ok a end\n", 3)
	check.equal("the first", { first() }, { true, "a" })
	check.equal("the second", { second() }, { true, "b" })
	check.equal("the third", { third() }, { true, "c" })
	check.equal("nil is an answer", table.pack(c:request("1 ok - end\n", 1)), { n = 1 })
	check.fails("an error", ":%d+: bad$", c.request, c, "1 no bad end\n", 1)
	check.equal("parts", c:request("1 ok a more;1 ok b more;1 ok c end\n", 1), { "a", "b", "c" })
	check.fails("an error in the last part", "bad$", c.request, c, "1 ok a more;1 no bad end\n", 1)
	check.equal("nothing of it is left", c:request("1 ok x end\n", 1), "x")
end

local function fifty_at_once(c)
	local later, answers = {}, {}
	for i = 1, 50 do
		later[i] = start(c.request, c, i == 50 and "" or "mute\n", i)
		answers[i] = string.format("%d ok v%d end", i, i)
	end
	c:request(table.concat(answers, ";") .. "\n")
	for i = 1, 50 do
		check.equal("answer " .. i, { later[i]() }, { true, "v" .. i })
	end
end

local function all_fail(what, c, request, want)
	local first, second = start(c.request, c, "mute\n", 1), start(c.request, c, "mute\n", 2)
	c:request(request)
	for _, later in ipairs { first, second } do
		local ok, err = later()
		check.equal(what, ok, false)
		check.that(what .. ": " .. tostring(err), err == want or type(err) == "string" and err:find(tostring(want)))
	end
	check.equal(what .. ", then a new connection", c:request("1 ok x end\n", 1), "x")
end

local function the_same_session_twice(c)
	local first = start(c.request, c, "mute\n", 7)
	local second = start(c.request, c, "7 ok new end\n", 7)
	check.equal("the later one has it", { second() }, { true, "new" })
	c:changehost("127.0.0.1", server.port)
	check.equal("the earlier one learns of the end", { first() }, { false, LOST })
end

local function who_waits_goes_away(c)
	c:connect(true)
	local _, killed = start(c.request, c, "mute\n", 1)
	local woken, co = start(c.request, c, "mute\n", 2)
	skynet.killthread(killed)
	skynet.wakeup(co)
	check.equal("woken by a stranger", { woken() }, { false, LOST })
	check.equal("late answers harm nobody", c:request("1 ok late end;2 ok late end;3 ok own end\n", 3), "own")
end

local function ends(c)
	check.equal("before", c:request("1 ok x end\n", 1), "x")
	socket.close(server.ids[#server.ids])
	check.equal("an end while idle", (check.await(function()
		local ok, data = pcall(c.request, c, "1 ok y end\n", 1)
		return ok and data
	end)), "y")
	local answered, lost = start(c.request, c, "mute\n", 2), start(c.request, c, "mute\n", 3)
	c:request("2 ok in_time end\nquit\n")
	check.equal("answers before the end count", { answered() }, { true, "in_time" })
	check.equal("the others are lost", { lost() }, { false, LOST })
	check.equal("a new connection", c:request("1 ok x end\n", 1), "x")
	lost = start(c.request, c, "mute\n", 4)
	c:close()
	check.equal("close", { lost() }, { false, LOST })
	check.fails("closed", "assertion failed!$", c.request, c, "x\n", 1)
end

check.main(function()
	server = line_server.start(handle)
	local c = new()
	any_order(c)
	fifty_at_once(c)
	all_fail("an error in the response function", c, "raise hell\n", "raise hell$")
	all_fail("no session", c, "garbage\n", LOST)
	all_fail("the peer goes", c, "quit\n", LOST)
	the_same_session_twice(c)
	who_waits_goes_away(c)
	ends(c)
end)
