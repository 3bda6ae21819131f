-- Closing: from either side, with readers, callbacks and unsent data; handing an id to another reader.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local listener, port, accepted

local function pair()
	accepted = nil
	local client = assert(socket.open("127.0.0.1:" .. port))
	check.await(function() return accepted end)
	return client, accepted
end

local function closed_by_the_peer()
	local c, s = pair()
	local log = {}
	socket.onclose(s, function(id) log[#log + 1] = "onclose " .. (id == s and "s" or "?") end)
	skynet.fork(function()
		local _, rest = socket.read(s, 10)
		log[#log + 1] = "read " .. rest
	end)
	socket.write(c, "part")
	socket.close(c)
	check.await(function() return #log == 2 end)
	check.equal("onclose runs before the reader goes on", log, { "onclose s", "read part" })
	check.equal("one may still write", socket.write(s, "x"), true)
	socket.close(s)
	check.equal("once", #log, 2)
end

local function closed_under_a_reader()
	local c, s = pair()
	local log = {}
	skynet.fork(function()
		log[1] = { socket.readline(s) }
		log[2] = { socket.read(s) }
	end)
	socket.write(c, "tail")
	check.await(function()
		for _, info in ipairs(socket.netstat()) do
			if info.id == s then
				return info.read == 4
			end
		end
	end)
	skynet.yield()
	socket.close(s)
	check.equal("an own close lets the reader end", log, { { false, "tail" }, { false, "" } })
	check.equal("then the id is gone", socket.write(s, "x"), false)
	check.equal("the peer sees it", { socket.read(c) }, { false, "" })
	socket.close(c)
end

local function a_reader_is_killed()
	local c, s = pair()
	local co = skynet.fork(socket.readline, s)
	skynet.yield()
	skynet.killthread(co)
	socket.write(c, "for the next\n")
	check.equal("another one may read", socket.readline(s), "for the next")
	co = skynet.fork(socket.read, s, 10)
	skynet.yield()
	skynet.killthread(co)
	socket.close(s)
	check.equal("close does not wait for the dead", socket.invalid(s), true)
	socket.close(c)
end

local function closed_with_unsent_data()
	local c, s = pair()
	local n, big = 0, ("b"):rep(4 * 1024 * 1024)
	skynet.fork(function()
		local data = socket.read(c)
		while data do
			n = n + #data
			data = socket.read(c)
		end
		socket.close(c)
	end)
	socket.write(s, big)
	socket.close(s)
	check.await(function() return socket.invalid(c) end)
	check.equal("close sends what is queued", n, #big)
end

local function shut_down()
	local c, s = pair()
	local closed
	socket.onclose(s, function() closed = true end)
	socket.shutdown(s)
	check.await(function() return closed end)
	check.equal("shutdown leaves the record", socket.invalid(s), false)
	socket.close(s)
	socket.close(c)
end

local function abandoned()
	local c, s = pair()
	local result
	skynet.fork(function() result = { socket.read(s, 5) } end)
	skynet.yield()
	socket.abandon(s)
	check.equal("abandon forgets the id", socket.invalid(s), true)
	skynet.yield()
	check.equal("and ends the read", result, { false, "" })
	check.equal("it can be started again", socket.start(s), s)
	socket.write(c, "again\n")
	check.equal("and read", socket.readline(s), "again")
	check.fails("an open socket is not started", "socket is not closed$", socket.start, s)
	check.fails("nor closed by close_fd", "Use socket.close instead$", socket.close_fd, s)
	socket.close(s)
	socket.close(c)
end

local function misuse()
	socket.close(listener)
	check.equal("nobody listens", { socket.open("127.0.0.1", port) }, { nil, "Connection refused" })
	check.equal("an unknown id", { socket.start(123456) }, { nil, "invalid socket" })
	check.fails("no port", "Invalid address 127.0.0.1%.$", socket.open, "127.0.0.1")
	check.fails("a bad port", "Invalid port in address 127.0.0.1:x%.$", socket.open, "127.0.0.1:x")
	check.equal("close of an unknown id", select("#", socket.close(123456)), 0)
end

check.main(function()
	local _
	listener, _, port = socket.listen("127.0.0.1:0")
	socket.start(listener, function(id)
		assert(socket.start(id))
		accepted = id
	end)
	closed_by_the_peer()
	closed_under_a_reader()
	a_reader_is_killed()
	closed_with_unsent_data()
	shut_down()
	abandoned()
	misuse()
end)
