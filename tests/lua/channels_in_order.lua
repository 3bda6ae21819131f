-- Channels in order mode: everybody gets the own answer or an error, whatever the peer and the others do.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local line_server = require "line_server"

local LOST = socketchannel.error

local server
local released

local function handle(line, id)
	if line == "quit" then
		return false
	elseif line == "last" then
		socket.write(id, "last\nhalf a li")
		return false
	elseif line == "hold" then
		check.await(function() return released end)
	elseif line == "mute" then
		return nil
	end
	return line
end

local function line(so)
	return true, so:readline()
end

local function new()
	return socketchannel.channel { host = "127.0.0.1", port = server.port }
end

-- Runs in a coroutine of its own; gives a function that waits for `ok, result`, and the coroutine.
local function start(f, ...)
	local result
	local co = skynet.fork(function(...) result = table.pack(pcall(f, ...)) end, ...)
	skynet.yield()
	return function()
		check.await(function() return result end)
		return table.unpack(result, 1, result.n)
	end, co
end

local function all_get_their_own()
	local c = new()
	released = nil
	local later = {}
	for i = 1, 50 do
		later[i] = start(c.request, c, (i == 1 and "hold" or i) .. "\n", line)
	end
	check.await(function() return server.seen[#server.seen] == "hold" end)
	released = true
	for i = 1, 50 do
		check.equal("answer " .. i, { later[i]() }, { true, i == 1 and "hold" or tostring(i) })
	end
	check.equal("over one connection", #server.ids, 1)
	c:close()
end

local function errors_of_response_functions()
	local c = new()
	local value = {}
	local fails, own = start(c.request, c, "a\n", function(so) so:readline() error(value) end), nil
	local behind = start(c.request, c, "b\n", line)
	check.equal("the error is the caller's", { fails() }, { false, value })
	check.equal("and of those behind", { behind() }, { false, value })
	check.equal("then there is a new connection", c:request("c\n", line), "c")
	own = check.fails("an answer that is an error", ":%d+: no$", c.request, c, "d\n", function(so)
		so:readline()
		return false, "no"
	end)
	check.equal("has one position", select(2, own:gsub(":%d+:", "")), 1)
	check.equal("keeps the connection", c:request("e\n", line), "e")
	check.fails("nil as error", nil, c.request, c, "f\n", function() error(nil) end)
	check.equal("ends the connection too", c:request("g\n", line), "g")
	c:close()
end

local function answers_in_parts()
	local c = new()
	local count = 0
	local function three(so)
		count = count + 1
		return true, so:readline(), count < 3
	end
	check.equal("parts are collected", c:request("1\n2\n3\n", three), { "1", "2", "3" })
	count = 0
	check.fails("an error in a later part", "in part$", c.request, c, "1\n2\n", function(so)
		count = count + 1
		so:readline()
		return count == 1, "in part", count == 1
	end)
	check.equal("and the channel goes on", c:request("x\n", line), "x")
	c:close()
end

local function the_peer_goes()
	local c = new()
	local last, cut, behind = start(c.request, c, "last\n", line), start(c.request, c, "x\n", line), nil
	behind = start(c.request, c, "y\n", line)
	check.equal("what came before the end counts", { last() }, { true, "last" })
	check.equal("half an answer does not", { cut() }, { false, LOST })
	check.equal("nor does none", { behind() }, { false, LOST })
	check.equal("the next one connects", c:request("z\n", line), "z")
	local connections = #server.ids
	socket.close(server.ids[connections])
	skynet.sleep(2)
	check.equal("after an end while idle too", c:request("idle\n", line), "idle")
	check.equal("with one new connection", #server.ids, connections + 1)
	local sent = 0
	for _, seen in ipairs(server.seen) do
		sent = sent + (seen == "idle" and 1 or 0)
	end
	check.equal("nothing is sent twice", sent, 1)
	c:close()
end

local function who_waits_is_killed()
	local c = new()
	c:connect(true)
	released = nil
	local first, co_first = start(c.request, c, "hold\n", line)
	local _, co = start(c.request, c, "killed\n", line)
	local last = start(c.request, c, "last one\n", line)
	skynet.killthread(co)
	skynet.yield()
	released = true
	check.equal("those before it get theirs", { first() }, { true, "hold" })
	check.equal("those behind it too", { last() }, { true, "last one" })
	_, co_first = start(c.request, c, "mute\n", line)
	last = start(c.request, c, "behind\n", line)
	skynet.killthread(co_first)
	check.equal("nobody takes over half an answer", { last() }, { false, LOST })
	check.equal("and the channel recovers", c:request("x\n", line), "x")
	c:close()
end

local function who_waits_is_woken_by_a_stranger()
	local c = new()
	c:connect(true)
	released = nil
	local first = start(c.request, c, "hold\n", line)
	local second, co = start(c.request, c, "woken\n", line)
	local third = start(c.request, c, "third\n", line)
	skynet.wakeup(co)
	check.equal("it has no answer", { second() }, { false, LOST })
	released = true
	check.equal("the others have theirs", { first() }, { true, "hold" })
	check.equal("all of them", { third() }, { true, "third" })
	c:close()
end

local function ended_by_the_own_side()
	local c = new()
	check.equal("before", c:request("x\n", line), "x")
	local first, second = start(c.request, c, "mute\n", line), start(c.request, c, "mute\n", line)
	c:close()
	check.equal("close ends the wait", { first() }, { false, LOST })
	check.equal("of all", { second() }, { false, LOST })
	c:close()
	check.fails("a closed channel", "assertion failed!$", c.request, c, "x\n", line)
	check.fails("stays closed", "assertion failed!$", c.response, c, line)
	check.equal("until connect", c:connect(true), true)
	first = start(c.request, c, "mute\n", line)
	c:changehost("127.0.0.1", server.port)
	check.equal("another host ends the wait", { first() }, { false, LOST })
	check.equal("it opens again by itself", c:request("again\n", line), "again")
	local inside = { pcall(c.request, c, "x\n", function() c:close() error "done" end) }
	check.equal("close inside a response function", inside, { false, LOST })
	check.equal("connect after it", c:connect(), true)
	c:close()
end

local function answers_that_nobody_asked_for()
	local c = new()
	check.equal("before", c:request("x\n", line), "x")
	local later = start(c.response, c, line)
	socket.write(server.ids[#server.ids], "pushed\n")
	check.equal("response() waits for them", { later() }, { true, "pushed" })
	socket.write(server.ids[#server.ids], "early\n")
	skynet.sleep(1)
	check.equal("or finds them", c:response(line), "early")
	c:close()
end

local function nobody_refers_to_it()
	local c = new()
	check.equal("before", c:request("x\n", line), "x")
	local id = server.ids[#server.ids]
	c = nil
	collectgarbage()
	collectgarbage()
	check.await(function() return socket.invalid(id) end)
	check.equal("a collected channel is closed", c, nil)
end

check.main(function()
	server = line_server.start(handle)
	all_get_their_own()
	errors_of_response_functions()
	answers_in_parts()
	the_peer_goes()
	who_waits_is_killed()
	who_waits_is_woken_by_a_stranger()
	ended_by_the_own_side()
	answers_that_nobody_asked_for()
	nobody_refers_to_it()
end)
