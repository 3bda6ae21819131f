-- Reading: sizes, lines, the end, pausing and limits.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local port, accepted

local function pair()
	accepted = nil
	local client = assert(socket.open("127.0.0.1", port))
	check.await(function() return accepted end)
	return client, accepted
end

local function result_of(f, ...)
	local result
	skynet.fork(function(...) result = table.pack(f(...)) end, ...)
	skynet.yield()
	return function() return result end
end

local function sizes_and_lines()
	local c, s = pair()
	socket.write(c, "one\ntwo\r\nthree||four")
	check.equal("a line", socket.readline(s), "one")
	check.equal("another line end", socket.readline(s, "\r\n"), "two")
	check.equal("a long line end", socket.readline(s, "||"), "three")
	check.equal("a size", socket.read(s, 3), "fou")
	check.equal("what there is", socket.read(s), "r")
	local later = result_of(socket.read, s, 6)
	socket.write(c, "abc")
	check.equal("a size that is not there yet", later(), nil)
	socket.write(c, { "d", "e", 1 })
	check.equal("comes in pieces", check.await(later), { "abcde1", n = 1 })
	check.fails("a second reader", "assertion failed", function()
		result_of(socket.read, s)
		socket.read(s)
	end)
	socket.write(c, "x")
	return c, s
end

local function waiting_for_data(c, s)
	local later = result_of(socket.block, c)
	socket.write(s, "new")
	check.equal("block sees new data", check.await(later), { true, n = 1 })
	check.equal("and takes none", socket.read(c, 3), "new")
end

local function the_end(c, s)
	socket.write(c, "rest")
	socket.close(c)
	check.equal("what was read is complete", check.await(function() return socket.disconnected(s) end), true)
	check.equal("buffered data stays readable", socket.read(s, 2), "re")
	check.equal("then the rest", { socket.read(s, 100) }, { false, "st" })
	check.equal("then nothing", { socket.readline(s) }, { false, "" })
	check.equal("readall too", socket.readall(s), false)
	check.equal("and block", socket.block(s), false)
	socket.close(s)
	check.equal("the id is gone", socket.invalid(s), true)
	check.fails("read of an unknown id", "assertion failed", socket.read, s)
end

local function everything()
	local c, s = pair()
	local later = result_of(socket.readall, s)
	socket.write(c, ("z"):rep(300000))
	socket.close(c)
	check.equal("readall gets more than the pause limit", #check.await(later)[1], 300000)
	socket.close(s)
end

local function a_limit()
	local c, s = pair()
	socket.limit(s, 10)
	local later = result_of(socket.readline, s)
	socket.write(c, ("y"):rep(11))
	check.equal("a line beyond the limit", check.await(later), { false, ("y"):rep(11), n = 2 })
	check.equal("ends the connection", socket.disconnected(s), true)
	socket.close(s)
	socket.close(c)
end

local function pausing()
	local c, s = pair()
	local total = 1024 * 1024
	for _ = 1, total // 65536 do
		socket.write(c, ("x"):rep(65536))
	end
	check.await(function()
		for _, info in ipairs(socket.netstat()) do
			if info.id == s then
				return not info.reading
			end
		end
	end)
	check.equal("an unread socket is paused, and reading resumes it", #socket.read(s, total), total)
	socket.close(c)
	socket.close(s)
end

check.main(function()
	local listener, address
	listener, address, port = socket.listen("127.0.0.1", 0)
	check.equal("listen tells the address", address, "127.0.0.1")
	socket.start(listener, function(id)
		assert(socket.start(id) == id)
		accepted = id
	end)
	local c, s = sizes_and_lines()
	waiting_for_data(c, s)
	the_end(c, s)
	everything()
	a_limit()
	pausing()
end)
