-- `snax.gateserver`: packages in order, handlers that block, raise or close, too many clients, closing and opening.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local gate, port

local function await_notes(n)
	return check.await(function()
		local notes = skynet.call(gate, "lua", "notes")
		return #notes >= n and notes
	end)
end

local function connected()
	skynet.call(gate, "lua", "forget")
	local c = assert(socket.open("127.0.0.1", port))
	return c, await_notes(1)[1]:match "^connect (%d+)$"
end

local function close(c, fd)
	skynet.call(gate, "lua", "forget")
	socket.close(c)
	check.equal("the end is told", await_notes(1), { "disconnect " .. fd })
end

local function packages_however_cut()
	local c, fd = connected()
	for byte in ("\0\3one\0\0\0\3two"):gmatch "." do
		socket.write(c, byte)
		skynet.yield()
	end
	local big = ("b"):rep(65535)
	socket.write(c, string.pack(">s2s2s2", "three", big, "four"))
	local want = { "connect " .. fd }
	for i, text in ipairs { "one", "", "two", "three", "65535 bytes", "four" } do
		want[i + 1] = fd .. " " .. text
	end
	check.equal("packages arrive whole and in order", await_notes(7), want)
	close(c, fd)
end

local function blocking_and_raising()
	local c, fd = connected()
	socket.write(c, string.pack(">s2s2s2s2s2", "block", "a", "raise", "block", "b"))
	local got = await_notes(5)
	table.remove(got, 1)
	check.equal("what blocks or raises holds nothing back", got,
		{ fd .. " a", fd .. " b", fd .. " block", fd .. " block" })
	close(c, fd)
end

local function closing()
	local c, fd = connected()
	socket.write(c, string.pack(">s2s2", "close", "dropped"))
	check.equal("closeclient closes", socket.read(c), false)
	check.equal("what came behind it is dropped", await_notes(3),
		{ "connect " .. fd, fd .. " close", "disconnect " .. fd })
	socket.close(c)
	for _, command in ipairs { "openclient", "closeclient" } do
		check.equal("unknown ids are ignored", { skynet.call(gate, "lua", command, 123456) }, {})
	end
end

local function too_many()
	local cs = {}
	for i = 1, 3 do
		cs[i] = { connected() }
	end
	skynet.call(gate, "lua", "forget")
	local c = socket.open("127.0.0.1", port)
	check.equal("one too many is cut", socket.read(c), false)
	local notes = await_notes(1)
	check.that("and only its end is told", #notes == 1 and notes[1]:find "^disconnect ")
	socket.close(c)
	close(table.unpack(table.remove(cs)))
	cs[3] = { connected() }
	for _, pair in ipairs(cs) do
		close(table.unpack(pair))
	end
end

local function opening()
	check.fails("closed before it is open", nil, skynet.call, gate, "lua", "close")
	check.fails("no port", nil, skynet.call, gate, "lua", "open", {})
	check.fails("an address that is not here", nil, skynet.call, gate, "lua", "open", { address = "192.0.2.1", port = 1 })
	local conf = { address = "127.0.0.1", port = 0, maxclient = 4, own = "own", nodelay = true }
	local source, address, own
	source, address, port, own = skynet.call(gate, "lua", "open", conf)
	check.equal("open answers what handler.open gives", { source, address, own }, { skynet.self(), "127.0.0.1", "own" })
	check.fails("a second open", nil, skynet.call, gate, "lua", "open", conf)
end

local function open_again()
	local c, fd = connected()
	skynet.call(gate, "lua", "close")
	local _, _, second = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0 })
	check.equal("the old port is closed", socket.open("127.0.0.1", port), nil)
	port = second
	local other, other_fd = connected()
	close(other, other_fd)
	close(c, fd)
	skynet.call(gate, "lua", "close")
	check.fails("closed already", nil, skynet.call, gate, "lua", "close")
end

check.main(function()
	gate = skynet.newservice "gate_program"
	opening()
	packages_however_cut()
	blocking_and_raising()
	closing()
	too_many()
	open_again()
	check.equal("other commands", { skynet.call(gate, "lua", "who", 1) }, { skynet.self(), 1 })
	check.fails("unknown commands", nil, skynet.call, gate, "lua", "nonsense")
end)
