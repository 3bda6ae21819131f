-- `skynet.netpack` by itself: what it packs, what it refuses. Its queue is tested through the gates.

local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local check = require "check"

local function packing()
	check.equal("length first", netpack.tostring(netpack.pack "hello"), "\0\5hello")
	check.equal("a number is a text", netpack.tostring(netpack.pack(42)), "\0\00242")
	check.equal("nothing", netpack.tostring(netpack.pack ""), "\0\0")
	check.equal("the longest", #netpack.tostring(netpack.pack(("x"):rep(65535))), 65537)
	check.fails("one byte more", "Invalid size %(too long%) of data : 65536$", netpack.pack, ("x"):rep(65536))
	local pointer, size = driver.str2p "abc"
	check.equal("a block", netpack.tostring(netpack.pack(pointer, size)), "\0\3abc")
	check.equal("is not freed", netpack.tostring(pointer, size), "abc")
	check.equal("nil", netpack.tostring(nil, 0), "")
end

local function events()
	local CONNECT, CLOSE, ACCEPT, ERROR, WARNING = 2, 3, 4, 5, 7
	local function filter(kind, ud, text)
		local bytes = string.pack("=i4i4i4i4J", kind, 7, ud, 0, 0) .. text
		local pointer, size = driver.str2p(bytes)
		local got = table.pack(netpack.filter(nil, pointer, size))
		driver.drop(pointer, size)
		return table.move(got, 2, got.n, 1, {})
	end
	check.equal("init", filter(CONNECT, 80, "127.0.0.1"), { "init", 7, "127.0.0.1", 80 })
	check.equal("close", filter(CLOSE, 0, ""), { "close", 7 })
	check.equal("open", filter(ACCEPT, 9, "127.0.0.1:5"), { "open", 9, "127.0.0.1:5" })
	check.equal("error", filter(ERROR, 0, "broken"), { "error", 7, "broken" })
	check.equal("warning", filter(WARNING, 1030, ""), { "warning", 7, 1030 })
	check.equal("others", filter(99, 0, ""), {})
end

local function misuse()
	check.equal("pop of no queue", select("#", netpack.pop(nil)), 0)
	check.equal("clear of no queue", select("#", netpack.clear(nil)), 0)
	for _, value in ipairs { {}, "q", 1, io.stdout } do
		check.fails("no queue", "need a queue of netpack.filter", netpack.pop, value)
		check.fails("no queue", "need a queue of netpack.filter", netpack.clear, value)
		check.fails("no queue", "need a queue of netpack.filter", netpack.filter, value, nil, 0)
	end
	local pointer, size = driver.str2p "short"
	check.fails("no event", "no socket event", netpack.filter, nil, pointer, size)
	check.fails("a size below zero", "negative size", netpack.tostring, pointer, -1)
	check.fails("a size below zero", "negative size", netpack.pack, pointer, -1)
	driver.drop(pointer, size)
	check.fails("no pointer", "pointer expected", netpack.tostring, "text", 4)
	check.fails("nothing to pack", "string expected", netpack.pack, {})
end

check.main(function()
	packing()
	events()
	misuse()
end)
