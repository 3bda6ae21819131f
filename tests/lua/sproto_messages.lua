-- `sproto` as Lua programs see it: what is encoded, metamethods, errors, objects that are gone. The wire
-- format is tested beside the code that writes and reads it.

local skynet = require "skynet"
local check = require "check"
local core = require "sproto.core"
local loader = require "sprotoloader"
local sproto = require "sproto"

local SCHEMA = [[
.kv { k 0 : string v 1 : integer }
.point { x 0 : integer y 1 : double }
.by_list { k 0 : *integer }
.all {
	i 0 : integer  b 1 : boolean  s 2 : string  d 3 : double  f 4 : integer(2)  p 5 : point
	ai 10 : *integer  ab 11 : *boolean  as 12 : *string  ad 13 : *double  af 14 : *integer(1)
	ap 15 : *point  keyed 16 : *kv(k)  pairs 17 : *kv()  self 300 : all  odd 301 : *by_list(k)
}
]]
local FULL = {
	i = 1 << 40, b = false, s = "a\0b", d = 0.5, f = 1.25, p = { x = -1, y = 2.0 },
	ai = { 1, -2, 1 << 33 }, ab = { true, false }, as = { "", "text" }, ad = { 1.5 }, af = { 0.5, -0.5 },
	ap = { { x = 1 }, {}, { y = 0.0 } }, keyed = { a = { k = "a", v = 1 }, b = { k = "b" } },
	pairs = { one = 1, two = 2 }, self = { i = 5, self = {} },
}

local sp = sproto.parse(SCHEMA)

local function round_trips()
	check.equal("all fields", sp:decode("all", sp:encode("all", FULL)), FULL)
	check.equal("packed", sp:pdecode("all", sp:pencode("all", FULL)), FULL)
	for size = 0, 70 do
		local text = ("x"):rep(size)
		check.equal("a text of " .. size, sp:decode("all", sp:encode("all", { s = text })).s, text)
	end
	local message, size = sp:decode("all", sp:encode("all", { i = 3 }) .. "behind")
	check.equal("what is behind is left", { message, size }, { { i = 3 }, 4 })
end

local function memory()
	local text = sp:encode("all", FULL)
	local pointer, size = skynet.pack(text)
	local copy = core.unpack(core.pack(pointer, size))
	check.equal("from a pointer", copy:sub(1, size), skynet.tostring(pointer, size))
	check.fails("cut by its size", "decode error", sp.decode, sp, "all", pointer, 1)
	skynet.trash(pointer, size)
	check.fails("no address", "these bytes cannot be there", sp.decode, sp, "all", sp.__cobj, 100)
	check.fails("a negative size", "these bytes cannot be there", core.pack, sp.__cobj, -1)
end

local function metamethods()
	local lazy = setmetatable({}, { __index = { i = 7, s = "inherited" } })
	check.equal("__index", sp:decode("all", sp:encode("all", lazy)), { i = 7, s = "inherited" })
	local nested = setmetatable({}, {
		__index = function(_, key)
			return key == "i" and sp:decode("all", sp:encode("all", { i = 70 })).i or nil
		end,
	})
	check.equal("which encodes itself", sp:decode("all", sp:encode("all", { self = nested, i = 1 })), { i = 1, self = { i = 70 } })
	local failing = setmetatable({}, { __index = function() error "from __index" end })
	local caught = setmetatable({}, {
		__index = function(_, key)
			return key == "i" and not pcall(sp.encode, sp, "all", failing) and 4 or nil
		end,
	})
	check.equal("which catches an error", sp:decode("all", sp:encode("all", { i = 1, self = caught })), { i = 1, self = { i = 4 } })
	for _ = 1, 100 do
		check.fails("which raises", "from __index", sp.encode, sp, "all", { s = ("x"):rep(5000), self = failing })
	end
	local generated = setmetatable({}, { __pairs = function() return next, { a = 1 } end })
	check.equal("__pairs", sp:decode("all", sp:encode("all", { pairs = generated })).pairs, { a = 1 })
	local endless = setmetatable({}, { __index = function() return 1 end })
	check.fails("an endless array", "object is too large", sp.encode, sp, "all", { ai = endless })
	check.fails("a yield", "attempt to yield across a C%-call boundary", sp.encode, sp, "all", setmetatable({}, { __index = skynet.yield }))
end

local function errors()
	local function bad(value, pattern)
		check.fails(pattern, pattern, sp.encode, sp, "all", value)
	end
	bad({ self = { i = "x" } }, "all%.i%[0%] is not an integer %(Is a string%)")
	bad({ as = { "a", 5 } }, "all%.as%[2%] is not a string %(Is a number%)")
	bad({ p = 5 }, "attempt to index a number value")
	bad({ ai = "text" }, "all%.ai%(1%) should be a table or an userdata with metamethods %(Is a string%)")
	bad({ pairs = 5 }, "all%.pairs%(1%) should be a table or an userdata with metamethods %(Is a table%)")
	local loop = {}
	loop.self = loop
	bad(loop, "The table is too deep")
	local text = sp:encode("all", FULL)
	for cut = 0, #text - 1 do
		check.fails("cut at " .. cut, "decode error", sp.decode, sp, "all", text:sub(1, cut))
	end
	check.fails("a list as the key", "Can't find main index %(tag=0%) in %[odd%]", sp.decode, sp, "all", sp:encode("all", { odd = { { k = { 1 } } } }))
	check.equal("after all that", sp:decode("all", sp:encode("all", FULL)), FULL)
end

local function objects()
	local own = sproto.parse(SCHEMA)
	local cobj, ty = own.__cobj, core.querytype(own.__cobj, "kv")
	own = nil
	collectgarbage()
	collectgarbage()
	check.fails("a type of what was collected", "has been deleted", core.encode, ty, {})
	check.fails("a schema that was collected", "has been deleted", core.querytype, cobj, "kv")
	check.fails("deleted twice", "has been deleted", core.deleteproto, cobj)
	check.fails("a type as a schema", "Need a sproto object", core.querytype, core.querytype(sp.__cobj, "kv"), "kv")
	check.fails("a schema as a type", "Need a sproto_type object", core.encode, sp.__cobj, {})
	check.fails("a userdata that is none", "Need a sproto_type object", core.encode, io.stdout, {})
	local kept = sproto.parse ".q { z 0 : integer }"
	core.saveproto(kept.__cobj, 9)
	kept = nil
	collectgarbage()
	collectgarbage()
	check.equal("what is in a slot stays", loader.load(9):encode("q", { z = 1 }), "\1\0\4\0")
	loader.save("no bundle", 9)
	check.fails("no bundle", "nil sproto at index 9", loader.load, 9)
end

local function types_by_name()
	local own = sproto.parse(SCHEMA)
	for _ = 1, 2 do
		check.fails("an unknown type", "type not found", own.encode, own, "none", {})
		check.fails("an unknown type", "type not found", own.pdecode, own, "none", "")
		check.equal("a known one", own:decode("all", own:encode("all", { i = 3 })), { i = 3 })
	end
	check.fails("no object", "attempt to index", sproto.encode, nil, "all", {})
	check.fails("no arguments", "attempt to index", sproto.decode)
	check.fails("no name", "bad argument", own.encode, own)
	check.fails("no text", "Need a string or userdata", own.decode, own, "all")
	check.equal("packed is encoded and packed", own:pencode("all", FULL), core.pack(own:encode("all", FULL)))
	check.fails("not packed", "Invalid unpack stream", own.pdecode, own, "all", "\255")
	local given = { i = 9, other = 1 }
	check.equal("the given table", own:decode("all", own:encode("all", { s = "x" }), given) == given, true)
	check.equal("is filled", given, { i = 9, other = 1, s = "x" })
end

local function long_names()
	local name = ("name"):rep(20)
	local own = sproto.parse(string.format(".t { %s 0 : string %s_list 1 : *t(%s) }", name, name, name))
	local message = { [name] = "x", [name .. "_list"] = { y = { [name] = "y" } } }
	check.equal("long names", own:decode("t", own:encode("t", message)), message)
	local inherits = setmetatable({}, { __index = message })
	check.equal("and __index", own:decode("t", own:encode("t", inherits)), message)
	check.equal("and a table to fill", own:decode("t", own:encode("t", message), {}), message)
end

local function calls()
	local both = sproto.parse [[
.package { type 0 : integer session 1 : integer ud 2 : string }
add 1 { request { a 0 : integer b 1 : integer } response { sum 0 : integer } }
ping 2 { response nil }
]]
	local client, server = both:host(), both:host()
	local send = client:attach(both)
	local kind, name, args, answer, ud = server:dispatch(send("add", { a = 1, b = 2 }, 7, "mine"))
	check.equal("a request", { kind, name, args, ud }, { "REQUEST", "add", { a = 1, b = 2 }, "mine" })
	local _, session, result = client:dispatch(answer { sum = 3 })
	check.equal("its answer", { session, result }, { 7, { sum = 3 } })
	check.fails("once", "Unknown session", client.dispatch, client, answer { sum = 3 })
	check.equal("no session, no answer", select(4, server:dispatch(send("ping"))), nil)
	check.fails("not packed", "Invalid unpack stream", server.dispatch, server, "\255")
end

check.main(function()
	round_trips()
	memory()
	metamethods()
	errors()
	objects()
	types_by_name()
	long_names()
	calls()
end)
