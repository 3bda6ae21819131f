-- How channels connect: authentication, backup hosts, other hosts, and closing in the middle of it.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local line_server = require "line_server"

local LOST = socketchannel.error

local first, second, nobody

local function line(so)
	return true, so:readline()
end

local function start(f, ...)
	local result
	skynet.fork(function(...) result = table.pack(pcall(f, ...)) end, ...)
	skynet.yield()
	return function()
		check.await(function() return result end)
		return table.unpack(result, 1, result.n)
	end
end

local function new(port, desc)
	desc = desc or {}
	desc.host, desc.port = "127.0.0.1", port
	return socketchannel.channel(desc)
end

local function authentication_comes_first()
	local runs, from = 0, #first.seen
	local c = new(first.port, {
		auth = function(c)
			runs = runs + 1
			c:request("a\n")
			check.equal("auth reads", c:request("b\n", function(so) so:readline() return line(so) end), "first b")
			skynet.sleep(1)
			check.equal("auth reads again", c:request("c\n", line), "first c")
		end,
	})
	local later = {}
	for i = 1, 10 do
		later[i] = start(c.request, c, i .. "\n", line)
	end
	for i = 1, 10 do
		check.equal("after auth", { later[i]() }, { true, "first " .. i })
	end
	check.equal("once", runs, 1)
	check.equal("first on the wire", table.concat(first.seen, " ", from + 1, from + 4), "a b c 1")
	c:close()
end

local function authentication_fails()
	for _, auth in ipairs {
		function() error "denied" end,
		function() error(LOST) end,
		function(c) c:request("quit\n", line) end,
		function(c) pcall(c.request, c, "quit\n", line) end,
		function(c) c:request("x\n", function() error "inside" end) end,
	} do
		local c = new(first.port, { auth = auth })
		check.equal("connect", { pcall(c.connect, c, true) }, { false, LOST })
		check.equal("request", { pcall(c.request, c, "x\n", line) }, { false, LOST })
		c:changebackup { { host = "127.0.0.1", port = second.port } }
		check.equal("with a backup", { pcall(c.connect, c, true) }, { false, LOST })
		c:close()
	end
end

local function only_second(c)
	if c:request("who\n", line) ~= "second who" then
		error "not the right one"
	end
end

local function backups()
	local list = { { host = "127.0.0.1", port = first.port }, { host = "127.0.0.1", port = second.port } }
	local c = new(nobody, { backup = list, auth = only_second })
	check.equal("the first that answers well", c:request("x\n", line), "second x")
	c:close()
	c = new(first.port, {
		auth = function(c)
			c:changebackup(list)
			only_second(c)
		end,
	})
	check.equal("auth may find backups", c:request("x\n", line), "second x")
	c:close()
	c = new(first.port, {
		auth = function(c)
			if c:request("who\n", line) == "first who" then
				c:changehost("127.0.0.1", second.port)
			end
		end,
	})
	check.equal("auth may change the host", c:request("x\n", line), "second x")
	c:close()
	c = socketchannel.channel { host = "127.0.0.1:" .. nobody, backup = { "127.0.0.1:" .. second.port } }
	check.equal("names with ports", c:request("x\n", line), "second x")
	c:close()
end

local function closed_in_the_middle()
	local inside, go_on
	local c = new(first.port, {
		auth = function(c)
			inside = true
			check.equal("auth loses the connection", { pcall(c.request, c, "mute\n", line) }, { false, LOST })
			check.await(function() return go_on end)
		end,
	})
	local leader, follower = start(c.request, c, "x\n", line), start(c.request, c, "y\n", line)
	check.await(function() return inside end)
	c:close()
	go_on = true
	for _, later in ipairs { leader, follower } do
		local ok, err = later()
		check.equal("nobody is left waiting", ok, false)
		check.that("with the text of a closed channel", tostring(err):find "assertion failed!$")
	end
	c = new(first.port, { auth = function(c) c:close() end })
	check.fails("auth closes it", "assertion failed!$", c.request, c, "x\n", line)
	c = new(nobody)
	local forever = start(c.connect, c)
	local waits = start(c.request, c, "x\n", line)
	skynet.sleep(3)
	c:close()
	check.equal("a connect that repeats ends", { forever() }, { true, false })
	check.equal("who waits for it too", (waits()), false)
	c:changehost("127.0.0.1", first.port)
	check.equal("it can be opened again", c:connect(), true)
	check.equal("elsewhere", c:request("x\n", line), "first x")
	c:close()
end

local function a_host_comes_later()
	local c = new(nobody)
	local later = start(c.response, c, line)
	skynet.sleep(1)
	c:changehost("127.0.0.1", first.port)
	local connections = #first.ids
	check.await(function() return #first.ids > connections end)
	socket.write(first.ids[#first.ids], "hello\n")
	check.equal("a wait goes on at the new host", { later() }, { true, "hello" })
	c:close()
end

local function nobody_there()
	local c = new(nobody)
	check.equal("once", { pcall(c.connect, c, true) }, { false, LOST })
	local one, two = start(c.request, c, "x\n", line), start(c.request, c, "x\n", line)
	check.equal("a request", { one() }, { false, LOST })
	check.equal("and another beside it", { two() }, { false, LOST })
	c = socketchannel.channel { host = "no colon and no port" }
	check.fails("not an address", "Invalid address", c.connect, c, true)
	check.fails("and again", "Invalid address", c.connect, c, true)
	check.fails("no host", "assertion failed", socketchannel.channel, {})
end

local function sent_in_parts()
	local c = new(first.port)
	check.equal("a table", c:request({ "a", "b", "\n" }, line), "first ab")
	check.equal("with padding", c:request({ "a", "b" }, line, { "c", "d\n" }), "first abcd")
	check.equal("no answer wanted", select("#", c:request "x\n"), 0)
	check.equal("which comes nevertheless", c:response(line), "first x")
	c:close()
end

check.main(function()
	local function as(name)
		return function(text)
			if text == "quit" then
				return false
			end
			return text ~= "mute" and name .. " " .. text or nil
		end
	end
	first, second = line_server.start(as "first"), line_server.start(as "second")
	nobody = line_server.nobody()
	authentication_comes_first()
	authentication_fails()
	backups()
	closed_in_the_middle()
	a_host_comes_later()
	nobody_there()
	sent_in_parts()
end)
