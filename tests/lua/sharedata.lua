-- Shared data: what may be stored, what a proxy answers, how updates reach it, and when a version is given back.

local skynet = require "skynet"
local sharedata = require "skynet.sharedata"
local core = require "skynet.sharedata.core"
local check = require "check"

local function service(...)
	return skynet.call(skynet.uniqueservice "sharedatad", ...)
end

local function keys(t)
	local list = {}
	for k in pairs(t) do
		list[#list + 1] = tostring(k)
	end
	table.sort(list)
	return table.concat(list, " ")
end

local function refused(what, value, pattern)
	check.fails(what, pattern or "call failed", sharedata.new, "refused", value)
	check.fails(what .. ": not made", "call failed", sharedata.query, "refused")
end

local function what_may_be_stored()
	for i, text in ipairs {
		"return { [1.5] = 1 }", "return { [true] = 1 }", "return { [{}] = 1 }", "return { [print] = 1 }",
		"return { print }", "return { io.stdout }", "return { coroutine.create(print) }",
		"local t = {} t.t = t return t", "local t = {} for i = 1, 300 do t = { t } end return t",
		"x = ", "error 'no'", "error {}", "@/does/not/exist",
	} do
		refused("text " .. i, text)
	end
	refused("a number", 5)
	refused("a function", print, "Unsupport type function to serialize")
	refused("a function inside", { print }, "Unsupport type function to serialize")
	local cycle = {}
	cycle.cycle = cycle
	refused("a cycle", cycle, "serialize can't pack too depth table")
	check.fails("no name", "call failed", sharedata.new, nil, {})
	sharedata.new("refused", { 1 })
	check.equal("the name is free after all that", sharedata.query("refused")[1], 1)
	for _, name in ipairs { 7, 2.5, true, "", "\0" } do
		sharedata.new(name, { name })
		check.equal("a name of any kind", sharedata.query(name)[1], name)
	end
	sharedata.new("large", "return { [1 << 40] = 'a', [math.mininteger] = 'b', [math.maxinteger] = 'c', [0] = 'd', [3.0] = 'e' }")
	local large = sharedata.query "large"
	check.equal("integers of any size", { large[1 << 40], large[math.mininteger], large[math.maxinteger], large[0], large[3] }, { "a", "b", "c", "d", "e" })
	check.equal("and no others", { large[1 << 8], large[-1], large[1] }, {})
	sharedata.new("floats", "return { 0.0, -0.0, 1 / 0, 0 / 0, 1.0, 1 }")
	local floats = sharedata.query "floats"
	check.that("floats", 1 / floats[2] < 0 and floats[3] == math.huge and floats[4] ~= floats[4])
	check.equal("are not integers", { math.type(floats[5]), math.type(floats[6]) }, { "float", "integer" })
	sharedata.new("sparse", "local t = {} for i = 0, 40 do t[1 << i] = i end return t")
	local sparse, count = sharedata.query "sparse", 0
	for k, v in pairs(sparse) do
		count = count + (k == 1 << v and sparse[k] == v and 1 or 0)
	end
	check.equal("a border far behind", { count, sparse[3] }, { 41 })
	local one = {}
	sharedata.new("paths", { a = one, b = one })
	local paths = sharedata.query "paths"
	check.that("two paths, two tables", paths.a ~= paths.b)
	sharedata.new("meta", "return setmetatable({ 1 }, { __index = { ghost = 1 }, __len = error, __pairs = error })")
	local meta = sharedata.query "meta"
	check.equal("metatables do not count", { meta.ghost, #meta }, { [2] = 1 })
end

local function texts()
	sharedata.new("text", "a, b, n = ..., select('#', ...) c = string.rep('x', 2) hidden = nil", nil, 5, nil)
	check.equal("globals and arguments", sharedata.deepcopy "text", { b = 3, c = "xx" })
	sharedata.new("text 2", "_ENV['a'] = a")
	check.equal("nothing stays", keys(sharedata.query "text 2"), "")
	sharedata.new("text 3", "a = 1 return 'no table'")
	check.equal("what is no table does not count", sharedata.deepcopy "text 3", { a = 1 })
	sharedata.new("text 4", "a = 1 return { ... }", "x")
	check.equal("a table does", sharedata.deepcopy "text 4", { "x" })
	sharedata.new("text 5", "return require 'skynet' .self and { debug.getinfo(1, 'S').source }")
	check.equal("the chunk's name, and what it can reach", sharedata.query("text 5")[1], "=text 5")
	sharedata.new("text 6", string.dump(load "a = 'compiled'"))
	check.equal("compiled", sharedata.query("text 6").a, "compiled")
end

local function proxies()
	sharedata.new("p", { 1, 2, nil, 4, a = { b = { c = 1 } }, [-5] = { z = {} }, s = "s\0", f = false, long = ("long"):rep(100), e = {} })
	local p = sharedata.query "p"
	check.equal("values", { p[1], p[4], p.s, p.f, p.long, p.none, p[3] }, { 1, 4, "s\0", false, ("long"):rep(100) })
	check.equal("of a nil key", p[nil], nil)
	check.that("identity", p.a == p.a and p.a.b == p.a.b and p.e ~= p.a and sharedata.query "p" == p)
	check.fails("a float", "Invalid key 1.5", function() return p[1.5] end)
	check.fails("an integral float", "Invalid key 1.0", function() return p[1.0] end)
	check.fails("a boolean", "bad argument #2 to 'index' %(string expected, got boolean%)", function() return p[true] end)
	check.fails("a table", "string expected, got table", function() return p[{}] end)
	check.fails("a proxy", "string expected, got table", function() return p[p] end)
	check.fails("writing", "sharedata.lua:%d+: Error newindex, the key %[%]", function() p.x = 1 end)
	check.fails("writing what is there", "Error newindex, the key %[%.a%.b%]", function() p.a.b.c = 2 end)
	check.fails("below an integer", "Error newindex, the key %[%.%-5%.z%]", function() p[-5].z.x = 1 end)
	check.equal("raw", { rawget(p, "s"), rawlen(p), rawget(p, 1), (rawequal(next(p), "s")) }, { nil, 0, nil, false })
	check.equal("pairs", keys(p), "-5 1 2 4 a e f long s")
	check.equal("pairs of nothing", keys(p.e), "")
	local step, of, first = pairs(p)
	check.that("pairs begins at nil", of == p and first == nil)
	check.equal("the items come first", { step(p), step(p, 2) }, { 1, 4, 4 })
	check.equal("unknown keys are the end", { step(p, "unknown"), step(p, 77), step(p, 1.5) }, {})
	check.fails("other keys raise", "string expected, got boolean", step, p, true)
	for k, v in pairs(p) do
		check.that("the values of pairs", v == p[k])
	end
	check.equal("a copy by skynet.pack", skynet.unpack(skynet.pack(p.a)), { b = { c = 1 } })
	sharedata.new("q", p)
	check.equal("data made of a proxy", sharedata.deepcopy "q", sharedata.deepcopy "p")
	local meta = getmetatable(p)
	for event, f in pairs(meta) do
		if event ~= "__pairs" then
			check.fails(event .. " of something else", "shared data expected", f, {}, "x")
			check.fails(event .. " of nothing", "shared data expected", f)
			check.fails(event .. " of a forged one", "shared data expected", f, setmetatable({}, meta), "x")
		end
	end
	local forged = setmetatable({ [next(p)] = 1 << 40 | 9999 }, meta)
	check.fails("a table that is not there", "shared data expected", function() return forged.x end)
	check.equal("has no entries", keys(forged), "")
	check.that("can be collected", p.a.b.c == 1)
end

local function many_at_once()
	sharedata.new("many", { 1 })
	local got, running = {}, 10
	for i = 1, running do
		skynet.fork(function()
			got[sharedata.query "many"] = true
			running = running - 1
		end)
	end
	check.await(function() return running == 0 end)
	check.that("one object for all", next(got) == sharedata.query "many" and next(got, next(got)) == nil)
end

local function number(name)
	return (service("lua", "query", name))
end

local function updates()
	sharedata.new("u", { v = 1, sub = { v = 1, list = { {}, { v = "a" } } }, gone = { v = 1, below = { v = 1 } } })
	local u = sharedata.query "u"
	local sub, second, gone, below = u.sub, u.sub.list[2], u.gone, u.gone.below
	local first = number "u"
	sharedata.update("u", { v = 2, sub = { v = 2, list = { {}, { v = "b" } } }, gone = 5 })
	check.await(function() return u.v == 2 end)
	check.that("a version nobody looks at is given back", core.root(first) == nil)
	check.equal("all move", { sub.v, second.v, u.gone }, { 2, "b", 5 })
	check.that("and stay what they are", u.sub == sub and u.sub.list[2] == second)
	for _, f in ipairs { function() return gone.v end, function() return #gone end, function() for _ in pairs(gone) do end end } do
		check.fails("what is gone", "The key %[%.gone%] doesn't exist after update", f)
	end
	check.fails("and below", "sharedata.lua:%d+: The key %[%.gone%.below%] doesn't exist after update", function() return below.v end)
	check.fails("its path is kept", "Error newindex, the key %[%.gone%.below%]", function() below.v = 1 end)
	sharedata.update("u", { v = 3, sub = { v = 3, list = {} }, gone = { v = 3, below = {} } })
	check.await(function() return u.v == 3 end)
	check.fails("for ever", "doesn't exist after update", function() return below.v end)
	check.fails("an item too", "The key %[%.sub%.list%.2%] doesn't exist", function() return second.v end)
	check.that("another one is there now", u.gone ~= gone and u.gone.v == 3)
	local n = 0
	for _ in pairs(u) do
		n = n + 1
		if n == 1 then
			sharedata.update("u", { other = 4, v = 4 })
			check.await(function() return u.v == 4 end)
		end
	end
	check.that("pairs over an update comes to an end", n < 4)
	check.fails("a failing update", "call failed", sharedata.update, "u", "return { print }")
	check.fails("of any kind", "call failed", sharedata.update, "u", "x = ")
	check.equal("leaves all as it was", { u.v, sharedata.query "u" == u }, { 4, true })
	sharedata.update("u", "v = ...", 5)
	check.await(function() return u.v == 5 end)
	sharedata.update("u")
	check.await(function() return u.v == nil end)
	check.equal("nil is no data", keys(u), "")
end

local function copies()
	sharedata.new("c", { 1, 2, a = { b = { 5, x = "y" } }, s = 1 })
	check.equal("of the whole", sharedata.deepcopy "c", { 1, 2, a = { b = { 5, x = "y" } }, s = 1 })
	check.equal("of a part", { sharedata.deepcopy("c", "a", "b"), sharedata.deepcopy("c", 2) }, { { 5, x = "y" }, 2 })
	check.equal("of nothing", { select("#", sharedata.deepcopy("c", "no")), select("#", sharedata.deepcopy("c", "no", "no")) }, { 0, 0 })
	check.equal("behind a value", sharedata.deepcopy("c", "s", "x", true), 1)
	check.fails("a float", "Invalid key 1.5", sharedata.deepcopy, "c", 1.5)
	check.fails("a boolean", "string expected, got boolean", sharedata.deepcopy, "c", true)
	check.fails("an unknown name", "call failed", sharedata.deepcopy, "unknown")
	local c = sharedata.query "c"
	check.equal("read", c.s, 1)
	sharedata.update("c", { s = 2 })
	-- Our own update was told before this one's answer.
	sharedata.update("other", {})
	check.equal("what was looked at last", sharedata.deepcopy("c", "s"), 1)
	sharedata.flush()
	check.equal("after a flush the newest", { sharedata.deepcopy("c", "s"), c.s }, { 2, 2 })
end

local function other_services()
	local reader = skynet.newservice("data_reader", "skynet.sharedata")
	local function on(...)
		return skynet.call(reader, "lua", ...)
	end
	sharedata.new("o", { sub = { v = 1 } })
	on("keep", "o", "sub")
	local first = number "o"
	sharedata.update("o", { sub = { v = 2 } })
	check.that("a reader keeps what it looked at last", core.root(first) ~= nil)
	collectgarbage()
	on "flush"
	check.that("and gives it back", core.root(first) == nil)
	check.equal("what it has moves", on("read", "o", "v"), 2)
	check.equal("who waits", service("debug", "INFO").o.readers, 1)
	local function fails(what, pattern, f, ...)
		check.fails(what, pattern, f, ...)
	end
	sharedata.delete "o"
	fails("deleted", "call failed", sharedata.query, "o")
	fails("twice", "call failed", sharedata.delete, "o")
	check.equal("it goes on with the last version", on("read", "o", "v"), 2)
	sharedata.new("o", { sub = { v = "anew" } })
	check.equal("and knows nothing of a new one", on("read", "o", "v"), 2)
	on("keep", "o", "sub")
	check.equal("until it asks", on("read", "o", "v"), "anew")
	on "exit"
	local readers = {}
	for i = 1, 40 do
		readers[i] = skynet.newservice("data_reader", "skynet.sharedata")
		skynet.call(readers[i], "lua", "keep", "o")
		skynet.call(readers[i], "lua", "exit")
		check.await(function() return not pcall(skynet.call, readers[i], "debug", "PING") end)
	end
	check.that("who has ended does not wait for ever", service("debug", "INFO").o.readers < 40)
	sharedata.update("o", {})
	check.equal("nor disturbs an update", service("debug", "INFO").o.readers, 0)
end

local function what_is_held()
	sharedata.new("rows", "local t = {} for i = 1, 20000 do t[i] = { id = i } end return t")
	local rows = sharedata.query "rows"
	local row, sum = rows[77], 0
	for _, one in ipairs(rows) do
		sum = sum + one.id
	end
	check.equal("all rows", sum, 200010000)
	local before = collectgarbage "count"
	sharedata.flush()
	check.that("a flush lets go what nobody holds", collectgarbage "count" < before - 1000)
	check.that("but not what somebody holds", rows[77] == row and rows[78] == rows[78])
	rows, row = nil, nil
	local last = number "rows"
	sharedata.update("rows", { "new" })
	sharedata.flush()
	collectgarbage()
	check.that("nobody has it", core.root(last) == nil)
	check.equal("it can be asked for again", sharedata.query("rows")[1], "new")
	sharedata.update("rows", { "newer" })
	local again = sharedata.query "rows"
	check.await(function() return again[1] == "newer" end)
end

-- Finalizers run where proxies are made and moved, and use the same proxies.
local function finalizers()
	local function data(version)
		local t = { v = version }
		for i = 1, 50 do
			t["sub" .. (i + version) % 60] = { v = version, below = { v = version } }
		end
		return t
	end
	sharedata.new("fin", data(0))
	local fin, right, runs = sharedata.query "fin", true, 0
	local function litter()
		for i = 1, 20 do
			setmetatable({}, { __gc = function()
				runs = runs + 1
				local sub = fin["sub" .. math.random(0, 59)]
				right = right and (sub == nil or sub.below.v == fin.v)
			end })
		end
	end
	collectgarbage("generational")
	for version = 1, 60 do
		sharedata.update("fin", data(version))
		litter()
		check.await(function() return fin.v == version end)
		for k, v in pairs(fin) do
			litter()
			right = right and (k == "v" or v.below.v == version and fin[k] == v)
		end
	end
	collectgarbage("incremental")
	check.that("finalizers find the same data", right and runs > 100)
end

check.main(function()
	what_may_be_stored()
	texts()
	proxies()
	many_at_once()
	updates()
	copies()
	other_services()
	what_is_held()
	finalizers()
end)
