-- Shared tables where they meet the rest: the collector, native encoders, metatables, functions, many versions.

local skynet = require "skynet"
local sharetable = require "skynet.sharetable"
local core = require "skynet.sharetable.core"
local bson = require "bson"
local check = require "check"

local function collect()
	collectgarbage()
	collectgarbage()
end

-- The strings of a shared table belong to nobody, so each one read is made again once it was collected.
local function strings_come_and_go()
	sharetable.loadstring("strings", [[
		local t = { list = {}, names = {} }
		for i = 1, 2000 do t.list[i] = "item" .. i t.names["name" .. i] = ("long value "):rep(10) .. i end
		return t
	]])
	local t = sharetable.query "strings"
	collect()
	local before = collectgarbage "count"
	local right = true
	for round = 1, 30 do
		for i = 1, 2000 do
			right = right and t.list[i] == "item" .. i and t.names["name" .. i]:sub(-#tostring(i)) == tostring(i)
		end
		if round % 3 == 0 then
			collectgarbage "step"
		end
	end
	check.that("every string is right each time", right)
	local own = {}
	for k, v in pairs(t.names) do
		own[v] = k
	end
	collect()
	local found = 0
	for k, v in pairs(t.names) do
		found = found + (own[v] == k and 1 or 0)
	end
	check.equal("long strings as keys", found, 2000)
	own = nil
	collect()
	check.that("nothing of it stays in the service", collectgarbage "count" - before < 100)
	collectgarbage "incremental"
	for i = 1, 2000 do
		local weak = setmetatable({ [t] = t.list[i], t.names }, { __mode = "kv" })
		right = right and weak[t] == "item" .. i
	end
	collectgarbage "generational"
	check.that("in weak tables and the other mode of the collector", right)
end

local function encoders()
	sharetable.loadstring("doc", "return { id = 7, name = 'n', list = { 1, 2, 'x' }, sub = { yes = true, f = 1.5 } }")
	local t = sharetable.query "doc"
	local copy = skynet.unpack(skynet.pack(t))
	check.equal("skynet.pack", copy, { id = 7, name = "n", list = { 1, 2, "x" }, sub = { yes = true, f = 1.5 } })
	check.equal("bson", bson.decode(bson.encode(t)), copy)
	local sproto = require("sproto").parse ".doc { id 0 : integer name 1 : string list 2 : *integer }"
	sharetable.loadstring("wire", "return { id = 7, name = 'n', list = { 1, 2, 3 } }")
	local wire = sharetable.query "wire"
	check.equal("sproto", sproto:decode("doc", sproto:encode("doc", wire)), { id = 7, name = "n", list = { 1, 2, 3 } })
	check.equal("select and unpack", { table.unpack(t.list) }, { 1, 2, "x" })
	check.equal("a sorted copy", table.concat(table.move(wire.list, 1, 3, 1, {}), "-"), "1-2-3")
	check.equal("a format", ("%d %s"):format(t.id, t.name), "7 n")
end

local function metatables()
	sharetable.loadstring("class", [[
		return {
			__index = { name = "shape" }, __len = function() return 42 end, __call = function(_, x) return x * 2 end,
			__eq = function() return true end, __tostring = function() return "a shape" end,
		}
	]])
	local class = sharetable.query "class"
	local object, other = setmetatable({}, class), setmetatable({}, class)
	check.equal("its fields are metamethods", { object.name, #object, object(4), tostring(object) }, { "shape", 42, 8, "a shape" })
	check.that("equality too", object == other)
	check.that("who asks gets what was set", getmetatable(object) == class and debug.getmetatable(object) == class)
	collect()
	check.that("still after a collection", getmetatable(object) == class and object.name == "shape")
	check.equal("functions keep their identity", class.__call, sharetable.query "class".__call)
	check.that("as keys too", ({ [class.__call] = 1 })[class.__call] == 1)
	sharetable.loadstring("class", "return { __index = { name = 'form' } }")
	sharetable.update "class"
	check.equal("after an update", { object.name, getmetatable(object) == class }, { "form", true })
	check.fails("and what is gone is gone", "attempt to call a table value", function() return #object + object(1) end)
end

local function coroutines_of_the_service()
	sharetable.loadstring("co", "return { wrap = coroutine.wrap, resume = coroutine.resume, create = coroutine.create }")
	local co = sharetable.query "co"
	check.that("library functions are the service's", co.wrap == coroutine.wrap and co.resume == coroutine.resume)
	local spin = co.wrap(function()
		local n = 0
		for i = 1, 1e6 do
			n = n + i
		end
		coroutine.yield(n)
	end)
	check.equal("and work", spin(), 500000500000)
end

local function keys_of_every_kind()
	sharetable.loadstring("keys", [[
		local f, long = function() return "called" end, ("long"):rep(20)
		return { [f] = "function", [print] = "C function", [long] = "long", [0] = "zero", [-1] = "minus", [2.5] = "half",
			[true] = "true", [1 << 62] = "large", [math.huge] = "endless", f = f, "first", nil, "third" }
	]])
	local t = sharetable.query "keys"
	local found = {}
	for k, v in pairs(t) do
		found[#found + 1] = v == t[k] and tostring(v) or nil
	end
	check.equal("each is met and found", #found, 12)
	check.equal("a function", { t[t.f], t.f() }, { "function", "called" })
	check.equal("numbers", { t[0.0], t[-1], t[2.5], t[1 << 62], t[math.huge], t[0 / 0], t[3.0] }, { "zero", "minus", "half", "large", "endless", nil, "third" })
	check.equal("what is not there", { t[4], t.none, t[false], t[print] }, { nil, nil, nil, "C function" })
	check.fails("next of what is not there", "invalid key to 'next'", next, t, {})
end

local function versions_and_readers()
	local peer = skynet.newservice "sharetable_reader"
	sharetable.loadstring("many", "return { v = 0 }")
	for i = 1, 50 do
		skynet.send(peer, "lua", "query", "many")
		sharetable.loadstring("many", ("return { v = %d }"):format(i))
	end
	check.equal("the newest of many", skynet.call(peer, "lua", "value", "many"), 50)
	local info = skynet.call(sharetable.address, "debug", "INFO")
	check.that("what is told of it", math.type(info.many.size) == "integer" and type(info.many.current) == "userdata")
	check.that("with its readers", info.many.history:find(skynet.address(peer), 1, true))
	skynet.call(peer, "lua", "exit")
	local function told()
		return skynet.call(sharetable.address, "debug", "INFO").many.history
	end
	check.that("an ended reader is forgotten", check.await(function()
		return not told():find(skynet.address(peer), 1, true)
	end))
	check.equal("a stale number", core.clone(1 << 40), nil)
	check.fails("replacing what is not this service's", "a version of this service expected", core.replace, 1 << 40, 1)
end

check.main(function()
	strings_come_and_go()
	encoders()
	metatables()
	coroutines_of_the_service()
	keys_of_every_kind()
	versions_and_readers()
end)
