-- `skynet.stm`: bytes with one writer and many readers, and what becomes of them when one side ends.

local skynet = require "skynet"
local service = require "skynet.service"
local stm = require "skynet.stm"
local check = require "check"
require "skynet.manager"

local is_welkin = pcall(require, "welkin")

-- A service that reads, and can write by itself.
local function other(name)
	return service.new(name, function()
		local skynet = require "skynet"
		local stm = require "skynet.stm"
		local writer, reader
		local CMD = {}
		function CMD.open(ref)
			reader = stm.newcopy(ref)
		end
		function CMD.read()
			return reader(skynet.unpack)
		end
		function CMD.write(...)
			if writer then
				writer(skynet.pack(...))
			else
				writer = stm.new(skynet.pack(...))
			end
			return stm.copy(writer)
		end
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, cmd, ...)
				skynet.ret(skynet.pack(CMD[cmd](...)))
			end)
		end)
	end)
end

local function versions()
	local w = stm.new(skynet.pack("first", nil, 3))
	local r = stm.newcopy(stm.copy(w))
	check.equal("all values of a version", table.pack(r(skynet.unpack)), { true, "first", nil, 3, n = 4 })
	check.equal("once", table.pack(r(skynet.unpack)), { false, n = 1 })
	w(12)
	check.equal("a number is its text", { r(skynet.tostring) }, { true, "12" })

	w "kept"
	local pointer, size
	r(function(p, s)
		pointer, size = p, s
	end)
	w "newer"
	w = nil
	collectgarbage()
	check.equal("the bytes stay until the next call", skynet.tostring(pointer, size), "kept")
	check.equal("the last version of a writer that is gone", r(skynet.tostring), false)
	check.equal("nor later", r(skynet.tostring), false)
end

local function arguments()
	local w = stm.new "text"
	local r = stm.newcopy(stm.copy(w))
	check.fails("no version", "bad argument #1 to .* %(string expected, got no value%)", stm.new)
	check.fails("a table", "string expected, got table", stm.new, {})
	check.fails("the next version", "string expected, got boolean", w, true)
	check.fails("no function", "function expected, got nil", r, nil)
	local callable = setmetatable({}, { __call = print })
	check.fails("only a function", "function expected, got table", r, callable)
	check.equal("what was refused is not read", { r(skynet.tostring) }, { true, "text" })
end

local function errors()
	local w = stm.new "1"
	local r = stm.newcopy(stm.copy(w))
	local thrown = {}
	local ok, err = pcall(r, function()
		error(thrown)
	end)
	check.equal("an error of any value passes", { ok, err == thrown }, { false, true })
	check.equal("and the version is read", r(skynet.tostring), false)
	w "2"
	check.fails("no wait inside", "attempt to yield across a C%-call boundary", r, function()
		skynet.sleep(1)
	end)
	w ""
	check.equal("a version of nothing", { r(function(_, size) return size end) }, { true, 0 })
	w "3"
	local inner
	r(function()
		inner = r(skynet.tostring)
	end)
	check.equal("a reader called by itself", inner, false)
end

local function services()
	local s = other "stm_other"
	local ref = skynet.call(s, "lua", "write", "here")
	local r = stm.newcopy(ref)
	check.equal("from another service", { r(skynet.unpack) }, { true, "here" })
	for i = 1, 100 do
		skynet.call(s, "lua", "write", i)
	end
	check.equal("the newest", { r(skynet.unpack) }, { true, 100 })
	local late = stm.newcopy(skynet.call(s, "lua", "write", "unseen"))
	skynet.kill(s)
	local ended = other "stm_waited_for"
	check.equal("the service that wrote has ended", { r(skynet.unpack) }, { false })
	check.equal("its last version is not to be seen", late(skynet.unpack), false)

	local w = stm.new(skynet.pack "one")
	skynet.call(ended, "lua", "open", stm.copy(w))
	check.equal("read elsewhere", { skynet.call(ended, "lua", "read") }, { true, "one" })
	skynet.kill(ended)
	w(skynet.pack "two")
	local again = stm.newcopy(stm.copy(w))
	check.equal("readers that ended do not matter", { again(skynet.unpack) }, { true, "two" })
end

-- Each of these ends a node of skynet.
local function made_up()
	local w = stm.new "x"
	local ref = stm.copy(w)
	local r = stm.newcopy(ref)
	check.fails("a reference used twice", "used before", stm.newcopy, ref)
	local pointer, size = skynet.pack "memory"
	check.fails("memory is no reference", "reference of stm.copy expected", stm.newcopy, pointer)
	skynet.trash(pointer, size)
	check.fails("a number is none", "reference of stm.copy expected", stm.newcopy, 1)
	check.fails("nor is nothing", "reference of stm.copy expected", stm.newcopy)
	local other_ref = stm.copy(w)
	check.fails("a reference is no memory", "invalid param", skynet.trash, other_ref, 1)
	check.fails("nor a version", "not the address of a message's memory", stm.new, other_ref, 4)
	check.fails("a size that is too large", "more than the memory has", stm.new, skynet.pack "y", 1 << 40)
	check.fails("a negative size", "negative or too large", w, skynet.pack "y", -1)
	check.fails("a reader has no copies", "writer of stm.new expected", stm.copy, r)
	check.fails("a text has none", "writer of stm.new expected", stm.copy, "x")
	check.equal("nothing of it was written", { r(skynet.tostring) }, { true, "x" })
end

check.main(function()
	versions()
	arguments()
	errors()
	services()
	if is_welkin then
		made_up()
	end
end)
