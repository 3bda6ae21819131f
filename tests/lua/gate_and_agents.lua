-- The service `gate`: a watchdog that hears of connections, agents that get the packages.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local gate, port
local events, packages = {}, {}

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(fd, source, text)
		skynet.ignoreret()
		packages[#packages + 1] = { fd, source, text }
	end,
}

local function event()
	return check.await(function() return table.remove(events, 1) end)
end

local function package()
	return check.await(function() return table.remove(packages, 1) end)
end

local function connected()
	local c = assert(socket.open("127.0.0.1", port))
	local got = event()
	check.equal("the watchdog hears of it", { got[1], got[2] }, { "socket", "open" })
	check.that("with its address", got[4]:find "^127%.0%.0%.1:%d+$")
	return c, got[3]
end

local function accepted()
	local c, fd = connected()
	socket.write(c, "\0\3one\0\0")
	skynet.call(gate, "lua", "accept", fd)
	check.equal("accepted: packages go to the watchdog", event(), { "socket", "data", fd, "one" })
	check.equal("empty ones too", event(), { "socket", "data", fd, "" })
	return c, fd
end

local function is_open(fd)
	for _, info in ipairs(socket.netstat()) do
		if info.id == fd then
			return true
		end
	end
	return false
end

local function forwarded()
	local c, fd = accepted()
	skynet.call(gate, "lua", "forward", fd)
	socket.write(c, "\0\3two\0\0")
	check.equal("forwarded to the caller", package(), { fd, gate, "two" })
	check.equal("an empty one", package(), { fd, gate, "" })
	skynet.call(gate, "lua", "forward", fd, 0x77, skynet.self())
	socket.write(c, "\0\5three")
	check.equal("as if from the client", package(), { fd, 0x77, "three" })
	skynet.call(gate, "lua", "accept", fd)
	socket.write(c, "\0\4four")
	check.equal("and back", event(), { "socket", "data", fd, "four" })
	socket.write(fd, string.pack(">s2", "answer"))
	check.equal("who writes to the id answers", socket.read(c, 8), "\0\6answer")
	socket.close(c)
	check.equal("its end", event(), { "socket", "close", fd })
	check.that("the socket stays", is_open(fd))
	skynet.call(gate, "lua", "kick", fd)
	check.await(function() return not is_open(fd) end)
end

local function written_to_after_its_end()
	local c, fd = accepted()
	socket.close(c)
	check.equal("its end", event(), { "socket", "close", fd })
	check.equal("it may still be written", socket.write(fd, "late"), true)
	check.equal("but nobody reads that", event(), { "socket", "error", fd, "Broken pipe" })
	check.await(function() return not is_open(fd) end)
	check.equal("then there is nothing to write to", socket.write(fd, "later"), false)
end

local function kicked()
	local c, fd = accepted()
	skynet.call(gate, "lua", "kick", fd)
	check.equal("kick closes", socket.read(c), false)
	check.equal("and is told", event(), { "socket", "close", fd })
	for _, command in ipairs { "accept", "forward" } do
		check.fails("nobody there any more", nil, skynet.call, gate, "lua", command, fd)
	end
	skynet.call(gate, "lua", "kick", fd)
	socket.close(c)
end

check.main(function()
	skynet.dispatch("lua", function(_, _, ...) events[#events + 1] = { ... } end)
	gate = skynet.newservice "gate"
	local address
	address, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0 })
	check.equal("open answers the address", address, "127.0.0.1")
	forwarded()
	written_to_after_its_end()
	kicked()
	check.fails("unknown commands", nil, skynet.call, gate, "lua", "nonsense")
end)
