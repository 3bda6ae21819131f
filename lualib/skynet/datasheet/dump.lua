-- Tables to sheets, the binary form of `skynet.datasheet`, and back.
--
-- The form, which `welkin_codec::datasheet` describes and reads, is known by programs that keep sheets in files.
-- Tables are numbered from the root, 0, on, each before those inside it.

local core = require "skynet.datasheet.core"

local dump = {}

local INTEGER, REAL, BOOLEAN, TABLE, STRING = 1, 2, 3, 4, 5
local ABSENT = 0xffffffff
-- Tables inside tables; one that contains itself ends here.
local DEPTH_MAX = 10000

---@class datasheet.Writer
---@field tables string[]            number + 1 -> bytes, false while it is being written
---@field strings string[]           in the order of their starts
---@field starts table<string, integer>
---@field size integer               bytes of the strings so far

---@param writer datasheet.Writer
local function start_of(writer, text)
	text = text:match "^[^\0]*"
	local start = writer.starts[text]
	if start == nil then
		start = writer.size
		writer.starts[text] = start
		writer.strings[#writer.strings + 1] = text
		writer.size = start + #text + 1
	end
	return start
end

local write

-- The type of a value, and its four bytes.
local function encode(writer, value, number_of, depth)
	local kind = math.type(value) or type(value)
	if kind == "table" then
		return TABLE, string.pack("<I4", write(writer, value, number_of, depth + 1))
	elseif kind == "string" then
		return STRING, string.pack("<I4", start_of(writer, value))
	elseif kind == "boolean" then
		return BOOLEAN, value and "\0\0\0\1" or "\0\0\0\0"
	elseif kind == "integer" or kind == "float" then
		local integer = math.tointeger(value)
		if integer and integer >= -0x80000000 and integer <= 0x7fffffff then
			return INTEGER, string.pack("<i4", integer)
		end
		return REAL, string.pack("<f", value)
	end
	error("Unsupport value " .. tostring(value))
end

---Writes a table and all inside it; its number.
function write(writer, t, number_of, depth)
	assert(depth <= DEPTH_MAX, "tables inside tables without end")
	local number = number_of and number_of[t] or #writer.tables
	if writer.tables[number + 1] then
		-- In a foreign text a table may be reached by two paths.
		return number
	end
	writer.tables[number + 1] = false
	local types, values, fields = {}, {}, 0
	local items = 0
	while rawget(t, items + 1) ~= nil do
		items = items + 1
		types[items], values[items] = encode(writer, rawget(t, items), number_of, depth)
	end
	for key, value in next, t do
		if type(key) == "string" then
			fields = fields + 1
			local start = string.pack("<I4", start_of(writer, key))
			local kind, bytes = encode(writer, value, number_of, depth)
			types[items + fields], values[items + fields] = kind, start .. bytes
		else
			assert(math.type(key) == "integer" and key > 0 and key <= items)
		end
	end
	for i, kind in ipairs(types) do
		types[i] = string.char(kind)
	end
	types[#types + 1] = ("\0"):rep(-(items + fields) % 4)
	writer.tables[number + 1] = string.pack("<I4I4", items, fields) .. table.concat(types) .. table.concat(values)
	return number
end

local function text_of(writer)
	local starts, at = {}, 0
	for i, bytes in ipairs(writer.tables) do
		if bytes then
			starts[i] = string.pack("<I4", at)
			at = at + #bytes
		else
			starts[i] = string.pack("<I4", ABSENT)
			writer.tables[i] = ""
		end
	end
	return string.pack("<I4I4", 8 + 4 * #starts + at, #starts)
		.. table.concat(starts) .. table.concat(writer.tables) .. table.concat(writer.strings, "\0") .. "\0"
end

---A sheet of a table: its items as `ipairs` sees them, its fields with strings as keys, and so on inside.
---@param t table
---@return string text
function dump.dump(t)
	local writer = { tables = {}, strings = {}, starts = {}, size = 0 }
	write(writer, t, nil, 0)
	return text_of(writer)
end

---@param text string  a sheet
---@return table t
---@return table<table, integer> numbers  of it and all tables inside
function dump.undump(text)
	local sheet = core.new(text)
	local made, numbers = {}, {}
	local open = { 0 }
	made[0] = {}
	while #open > 0 do
		local number = table.remove(open)
		local t = made[number]
		numbers[t] = number
		local there, below = core.fill(sheet, number, t)
		assert(there, "Invalid datasheet: a table is missing")
		for i = 1, #below, 2 do
			local other = below[i + 1]
			if made[other] == nil then
				made[other] = {}
				open[#open + 1] = other
			end
			t[below[i]] = made[other]
		end
	end
	core.release(sheet)
	return made[0], numbers
end

-- Gives each table of `new` the number that the one at the same path has in `old`, or else the next free one.
local function renumber(old, new, old_numbers, numbers, free)
	numbers[new] = old and old_numbers[old] or free
	if old == nil then
		free = free + 1
	end
	for key, value in next, new do
		if type(value) == "table" and numbers[value] == nil then
			local before = old and old[key]
			free = renumber(type(before) == "table" and before or nil, value, old_numbers, numbers, free)
		end
	end
	return free
end

---The sheet `current` with its tables numbered like those at the same paths of `last`, and the others behind.
---@param last string
---@param current string
---@return string text
function dump.diff(last, current)
	local old, old_numbers = dump.undump(last)
	local new = dump.undump(current)
	local sheet = core.new(last)
	local numbers = {}
	local count = renumber(old, new, old_numbers, numbers, core.tables(sheet))
	core.release(sheet)
	local writer = { tables = {}, strings = {}, starts = {}, size = 0 }
	for i = 1, count do
		writer.tables[i] = false
	end
	write(writer, new, numbers, 0)
	return text_of(writer)
end

return dump
