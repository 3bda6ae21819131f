-- Documents of `bson`, where they differ from what skynet's cases show: code of the program that runs while a
-- document is made, values that would change what stands behind them, pointers, depth.

local bson = require "bson"
local check = require "check"

local function hex(doc)
	return (tostring(doc):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

local function walk(t)
	return next, t, nil
end

local function code_of_the_program()
	local inner = setmetatable({}, { __pairs = function() return walk { x = #bson.encode { y = { 1, 2 } } } end })
	check.equal("a __pairs that encodes", bson.decode(bson.encode { a = inner, b = inner }), { a = { x = 27 }, b = { x = 27 } })
	local fails = setmetatable({}, { __pairs = function() error "no pairs" end })
	local list = setmetatable({}, { __len = function() return 3 end, __index = function(_, i) return { i } end })
	for _ = 1, 50 do
		check.fails("a __pairs that raises", "no pairs$", bson.encode, { a = ("x"):rep(1000), b = fails })
		check.equal("a __len", bson.decode(bson.encode { list = list }), { list = { { 1 }, { 2 }, { 3 } } })
	end
	local endless = setmetatable({}, { __len = function() return 1 << 62 end, __index = function(_, i)
		return i < 1000 and i or nil
	end })
	check.fails("an array with a hole far away", "Use bson.null instead$", bson.encode, { a = endless })
	local deep = setmetatable({}, { __pairs = function(self) return walk { again = self } end })
	check.fails("a __pairs without end", "Too depth", bson.encode, deep)
end

-- Finalizers run while the document is put into its userdata.
local function finalizers_that_encode()
	local made = 0
	local function litter()
		setmetatable({}, { __gc = function()
			made = made + 1
			bson.encode { finalizer = ("z"):rep(made % 300) }
		end })
	end
	local text = ("a"):rep(2000)
	for i = 1, 3000 do
		litter()
		local doc = bson.decode(bson.encode { number = i, text = text })
		if doc.number ~= i or doc.text ~= text then
			check.that("a document beside finalizers", false)
			break
		end
	end
	collectgarbage()
	check.that("finalizers have run", made > 100)
end

local function nothing_is_smuggled()
	local refused = "^[^:]*Invalid"
	for _, text in ipairs { "\0\13abc", "\0\11a\0b\0c\0", "\0\11", "\0\5", "\0\12", "\0\15\255\255\255\255" } do
		check.fails(("the value %q"):format(text), refused, bson.encode, { a = text })
	end
	check.fails("a key with a zero byte", "can't hold a zero byte$", bson.encode, { ["a\0b"] = 1 })
	local code = "\0\13\4\0\0\0abc\0"
	check.equal("code goes through", bson.decode(bson.encode { a = code, b = 1 }), { a = code, b = 1 })
end

local function pointers()
	check.fails("a null pointer", "^.*Invalid bson block", bson.decode, bson.to_lightuserdata {})
	check.fails("a stranger's userdata", "Invalid value type : userdata$", bson.encode, { a = io.stdout })
	check.fails("to be read", "Invalid", function() bson.decode(io.stdout) end)
	local doc = bson.encode { a = 1, b = "text" }
	check.equal("an honest one", bson.decode(bson.to_lightuserdata(doc)), { a = 1, b = "text" })
	check.fails("a method on something else", "bson expected, got", doc.makeindex, io.stdout)
end

-- `d` within `d`, as bytes.
local function nested(levels)
	local bytes = "\5\0\0\0\0"
	for _ = 1, levels do
		bytes = string.pack("<i4", #bytes + 8) .. "\3a\0" .. bytes .. "\0"
	end
	return string.pack("<i4i4i4I4B", 1, 7, 2013, 0, 0) .. bytes
end

local function depth()
	local document = require "welkin.mongo".document
	local found, level = document(nested(256)), 0
	while found.a do
		found, level = found.a, level + 1
	end
	check.equal("as deep as it may be", level, 256)
	check.fails("deeper", "Too depth while decoding bson$", document, nested(257))
	check.fails("much deeper", "Too depth while decoding bson$", document, nested(3000))
end

-- Every cut and every wrong byte of a document is an error or another document.
local function broken_documents()
	local document = require "welkin.mongo".document
	local head = string.pack("<i4i4i4I4B", 1, 7, 2013, 0, 0)
	local bytes = tostring(bson.encode { a = 1, b = { 1, "x", { c = 1.5 } }, d = bson.objectid(), e = bson.binary "bin",
		f = bson.regex("a", "i"), g = bson.date(5), h = true, i = bson.null, j = "\0\13\4\0\0\0abc\0", k = 1 << 40 })
	for size = 0, #bytes - 1 do
		check.fails("cut at " .. size, "Invalid", document, head .. bytes:sub(1, size))
	end
	for at = 1, #bytes do
		for _, byte in ipairs { 0, 1, 5, 127, 255 } do
			local ok, result = pcall(document, head .. bytes:sub(1, at - 1) .. string.char(byte) .. bytes:sub(at + 1))
			check.that("a table or an error", type(result) == (ok and "table" or "string"))
		end
	end
end

local function in_place()
	local doc = bson.encode { n = 1, s = "text", ["größe"] = 2 }
	doc:makeindex()
	doc["größe"] = 7
	doc.n = -1
	check.equal("replaced", doc:decode(), { n = -1, s = "text", ["größe"] = 7 })
	check.fails("a key that is none", "Can't replace key : boolean$", function() doc[true] = 1 end)
	check.equal("the bytes", hex(bson.encode { a = doc }):sub(-#hex(doc) - 2, -3), hex(doc))
end

-- Names are copied in pieces, by their length; entries come from both parts of a table.
local function names_of_all_lengths()
	for length = 0, 70 do
		local name = ("abcdefghijklmnopqrstuvwxyz"):rep(3):sub(1, length)
		local document = tostring(bson.encode { [name] = 1 })
		check.equal("a name of " .. length, document, string.pack("<I4BzI4B", length + 11, 16, name, 1, 0))
		local wide = tostring(bson.encode { [name] = "text" })
		check.equal("with a text", wide, string.pack("<I4BzI4zB", length + 16, 2, name, 5, "text", 0))
	end
	local mixed = { 1, 2.5, true, "x", { 5 } }
	check.equal("a list", bson.decode(bson.encode { list = mixed }).list, mixed)
	local many = {}
	for i = 1, 100 do
		many["key" .. i] = i % 3 == 0 and { deep = i } or i % 3 == 1 and i or tostring(i)
	end
	many.key50 = nil
	check.equal("a dictionary", bson.decode(bson.encode(many)), many)
	check.fails("a number among names", "can't be number", bson.encode, { a = 1, [7.5] = 2 })
	check.equal("a metatable of no concern", bson.decode(bson.encode(setmetatable({ a = 1 }, {}))), { a = 1 })
end

check.main(function()
	names_of_all_lengths()
	code_of_the_program()
	finalizers_that_encode()
	nothing_is_smuggled()
	pointers()
	depth()
	broken_documents()
	in_place()
end)
