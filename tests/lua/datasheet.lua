-- Data sheets: what they hold, their binary form, how they are filled, and how updates reach them.

local skynet = require "skynet"
local builder = require "skynet.datasheet.builder"
local dump = require "skynet.datasheet.dump"
local core = require "skynet.datasheet.core"
local check = require "check"

local function what_they_hold()
	local values = { 1.0, 2147483647, -2147483648, 2147483648, 0.5, -0.0, "a\0b", "", true, false, math.maxinteger, 1e300, {} }
	check.equal("there and back", dump.undump(builder.compile(values)), { 1, 2147483647, -2147483648, 2147483648.0, 0.5, 0, "a", "", true, false, 2.0 ^ 63, math.huge, {} })
	for i, bad in ipairs { { [1.5] = 1 }, { [0] = 1 }, { [2] = 1 }, { 1, nil, 3 }, { [true] = 1 }, { [{}] = 1 }, { x = { [-1] = 1 } } } do
		check.fails("refused key " .. i, "assertion failed!", builder.compile, bad)
	end
	check.fails("a function", "Unsupport value function: ", builder.compile, { f = print })
	check.fails("a thread", "Unsupport value thread: ", builder.compile, { { coroutine.create(print) } })
	local cycle = {}
	cycle.cycle = cycle
	check.fails("a cycle", "tables inside tables without end", builder.compile, cycle)
	check.fails("no table", "table expected", builder.compile, nil)
	local one = {}
	local twice = dump.undump(builder.compile { one, one })
	check.that("two paths, two tables", twice[1] ~= twice[2])
	check.equal("metatables do not count", dump.undump(builder.compile(setmetatable({ 1 }, { __index = { 1, 2, x = 1 }, __pairs = error, __len = error }))), { 1 })
	local deep = {}
	for i = 1, 500 do
		deep = { deep, i }
	end
	check.equal("many levels", select(2, dump.undump(builder.compile(deep)))[1], nil)
end

local function broken_texts()
	local text = builder.compile { 1, "x", { k = { true, "y" } }, name = "z" }
	for i = 1, #text do
		for _, byte in ipairs { "\0", "\1", "\x7f", "\xff" } do
			local changed = text:sub(1, i - 1) .. byte .. text:sub(i + 1)
			local ok, err = pcall(dump.undump, changed)
			check.that("a changed text does no harm", ok or err:find "Invalid datasheet")
		end
		check.fails("a cut one", "Invalid datasheet: broken at byte", dump.undump, text:sub(1, i - 1))
	end
	check.fails("as a sheet", "call failed", builder.new, "broken", "short")
	builder.new("broken", { 1 })
	check.fails("as an update", "Invalid datasheet", builder.update, "broken", "short")
	local sheet = core.new(text)
	check.equal("no such table", { core.fill(sheet, 77, {}), core.fill(sheet, -1, {}), core.fill(sheet, 1 << 40, {}) }, { false, false, false })
	core.release(sheet)
	check.fails("a released sheet", "the sheet was released", core.fill, sheet, 0, {})
	check.fails("no sheet", "sheet expected", core.fill, {}, 0, {})
	check.equal("an unknown number", core.find(1 << 40), nil)
	-- One that contains itself: {x = itself}, by hand.
	local endless = string.pack("<I4I4I4 I4I4 I4 I4I4 z", 8 + 4 + 8 + 4 + 8, 1, 0, 0, 1, 4, 0, 0, "x")
	local t = dump.undump(endless)
	check.that("a table in itself", t.x == t)
	check.fails("cannot be numbered anew", "without end", dump.diff, endless, endless)
end

local function numbers()
	local a = builder.compile { { 1, { 2 } }, k = { 3 }, gone = { 4 }, s = 5 }
	local b = builder.compile { { 7 }, k = { 8, { 9 } }, new = { 10 }, s = { 11 } }
	local old, old_numbers = dump.undump(a)
	local new, new_numbers = dump.undump(dump.diff(a, b))
	check.equal("the content", new, { { 7 }, k = { 8, { 9 } }, new = { 10 }, s = { 11 } })
	check.equal("the same paths", { new_numbers[new], new_numbers[new[1]], new_numbers[new.k] }, { 0, old_numbers[old[1]], old_numbers[old.k] })
	local taken = {}
	for _, number in pairs(old_numbers) do
		taken[number] = true
	end
	for _, t in ipairs { new.k[2], new.new, new.s } do
		check.that("others have new numbers", not taken[new_numbers[t]])
		taken[new_numbers[t]] = true
	end
end

local function filling(datasheet)
	builder.new("f", { 7, k = { 8 }, a = "data", c = { d = {} } })
	local f = datasheet.query "f"
	check.that("empty", next(f) == nil and rawget(f, "a") == nil and rawlen(f) == 0)
	local meta = getmetatable(f)
	check.that("a metatable", meta.__index and meta.__len and meta.__pairs)
	f.a, f.own = "written before", 1
	check.equal("filled by the first look", { f.nothing, rawget(f, "a"), f.own, getmetatable(f) }, { nil, "data", 1 })
	check.that("one object", datasheet.query "f" == f and f.c == f.c and getmetatable(f.c.d))
	local k = f.k
	check.equal("by #", { #k, rawget(k, 1) }, { 1, 8 })
	for key in pairs(f.c) do
		check.equal("by pairs", key, "d")
	end
	f.a, f.c = "mine", nil
	check.equal("writable", { f.a, f.c }, { "mine" })
	check.equal("by skynet.pack", skynet.unpack(skynet.pack(datasheet.query "f".k)), { 8 })
	builder.new("copy", f)
	check.equal("a sheet made of one", datasheet.query("copy").k[1], 8)
end

local function names(datasheet)
	check.fails("taken", "assertion failed!", builder.new, "f", {})
	check.fails("unknown", "assertion failed!", builder.update, "unknown", {})
	local err = check.fails("queried too early", "call failed", datasheet.query, "early")
	builder.new("early", { 1 })
	check.equal("is remembered", check.fails("again", "call failed", datasheet.query, "early"), err)
	builder.new("many", { 1 })
	local got, running = {}, 10
	for _ = 1, running do
		skynet.fork(function()
			got[datasheet.query "many"] = true
			running = running - 1
		end)
	end
	check.await(function() return running == 0 end)
	check.that("one object for all who ask at once", next(got) == datasheet.query "many" and next(got, next(got)) == nil)
end

local function updates(datasheet)
	local reader = skynet.newservice("data_reader", "skynet.datasheet")
	local function on(...)
		return skynet.call(reader, "lua", ...)
	end
	builder.new("u", { v = 1, c = { 1, x = { y = 1 } }, gone = { 1, { 2 } } })
	local u = datasheet.query "u"
	local c, x, gone, below = u.c, u.c.x, u.gone, u.gone[2]
	on("keep", "u", "c", "x")
	-- Many at once, in a service that is both builder and reader.
	for v = 2, 40 do
		builder.update("u", { v = v, c = { v, x = { y = v } }, new = v })
	end
	check.await(function() return u.v == 40 end)
	check.equal("old references", { c[1], x.y, u.gone, u.new }, { 40, 40, nil, 40 })
	check.that("are the same", u.c == c and u.c.x == x)
	check.await(function() return on("read", "u", "y") == 40 end)
	for _, t in ipairs { gone, below } do
		check.fails("what is gone", "datasheet.lua:%d+: Invalid proxy %(index = %d+%)", function() return t[1] end)
		check.fails("by #", "Invalid proxy", function() return #t end)
		check.fails("by pairs", "Invalid proxy", pairs, t)
	end
	u.own = 1
	builder.update("u", builder.compile { v = 41, c = 5, gone = { "back" } })
	check.await(function() return u.v == 41 end)
	check.equal("a text", { u.c, u.gone[1], u.own }, { 5, "back", nil })
	check.fails("for ever", "Invalid proxy", function() return gone[1] end)
	check.fails("no table any more", "Invalid proxy", function() return x.y end)
	check.await(function() return on("fails", "u", "y") end)
	builder.update("u", {})
	check.await(function() return u.v == nil end)
	check.equal("nothing", next(u), nil)
end

check.main(function()
	what_they_hold()
	broken_texts()
	numbers()
	local datasheet = require "skynet.datasheet"
	filling(datasheet)
	names(datasheet)
	updates(datasheet)
end)
