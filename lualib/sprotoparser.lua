-- The schema language of sproto: text to bundle.
--
-- Three steps. Reading gives lists of types and protocols as they stand, and notes how far it came for
-- the one error it knows. Linking finds the types that names mean, and checks what a schema must keep.
-- Writing makes the bundle, which is a sproto message itself: two bytes for each entry, then blocks.

local parser = {}

local MAX_LINE = 16

-- Numbers of the built-in types in a bundle. Binary is a string with a mark.
local BUILT_IN = { integer = 0, boolean = 1, string = 2, binary = 2, double = 3 }
local BINARY = 1

---@class sprotoparser.field
---@field name string
---@field tag integer
---@field type string
---@field array boolean
---@field key string|nil      what stood in the brackets; "" for nothing
---@field digits integer|nil  a number that stood there

---@class sprotoparser.type
---@field name string                       full name
---@field fields sprotoparser.field[]
---@field index integer                     in the bundle

-- Reading -----------------------------------------------------------------------------------------

---@class sprotoparser.reader
---@field text string
---@field at integer     next byte
---@field line integer   the line it is on
---@field file string
local reader = {}
reader.__index = reader

function reader:fail()
	error(string.format("syntax error at [%s] line (%d)", self.file, self.line), 0)
end

-- Takes what the pattern matches here; nil if it does not.
function reader:take(pattern)
	local _, last, text = self.text:find("^" .. pattern, self.at)
	if last then
		self.at = last + 1
		return text
	end
end

function reader:need(pattern)
	return self:take(pattern) or self:fail()
end

-- Whether there were blanks here; they are behind now.
function reader:blanks()
	local first = self.at
	while true do
		if self:take "(\r?\n)" then
			self.line = self.line + 1
		elseif not self:take "([ \t]+)" and not self:take "(#[^\n]*)" then
			return self.at > first
		end
	end
end

function reader:need_blanks()
	if not self:blanks() then
		self:fail()
	end
end

-- Entries up to the text that ends them. Blanks stand between two of them; after the first that has
-- none behind it, none of the others may have any.
function reader:entries(entry, closing)
	self:blanks()
	local is_loose = true
	while not self:take(closing) do
		entry()
		if self:blanks() then
			if not is_loose then
				self:need(closing)
				return
			end
		else
			is_loose = false
		end
	end
end

local NAME = "([%a_][%w_]*)"

-- A name that may have dots.
function reader:type_name()
	local name = self:need(NAME)
	while true do
		local part = self:take("%." .. NAME)
		if not part then
			return name
		end
		name = name .. "." .. part
	end
end

---@return sprotoparser.field
function reader:field(name)
	self:need_blanks()
	local tag = tonumber(self:need "(%d+)")
	self:blanks()
	self:need "(:)"
	self:blanks()
	local field = { name = name, tag = tag, array = self:take "(%*)" ~= nil, type = self:type_name() }
	if self:take "(%()" then
		self:blanks()
		local digits = self:take "(%d+)"
		if digits then
			field.digits = tonumber(digits)
		else
			field.key = self:take(NAME) or ""
		end
		self:blanks()
		self:need "(%))"
	end
	return field
end

-- A block of fields and types, `{` being next. Types go to `types` with the name in front.
function reader:struct(name, types)
	local fields = {}
	types[#types + 1] = { name = name, fields = fields }
	self:need "({)"
	self:entries(function()
		if self:take "(%.)" then
			local inner = name .. "." .. self:need(NAME)
			self:blanks()
			self:struct(inner, types)
		else
			fields[#fields + 1] = self:field(self:need(NAME))
		end
	end, "(})")
	return fields
end

-- What a protocol says of its request and its response, in order.
function reader:protocol(name)
	self:need_blanks()
	local protocol = { name = name, tag = tonumber(self:need "(%d+)"), bodies = {} }
	self:blanks()
	self:need "({)"
	self:entries(function()
		local kind = self:take "(request)" or self:need "(response)"
		self:need_blanks()
		local body = { kind = kind }
		if self.text:find("^{", self.at) then
			body.types = {}
			self:struct(name .. "." .. kind, body.types)
			body.type = name .. "." .. kind
		else
			body.type = self:type_name()
		end
		protocol.bodies[#protocol.bodies + 1] = body
	end, "(})")
	return protocol
end

-- All definitions, in order; each has either `types` or `protocol`.
local function read(text, file)
	local source = setmetatable({ text = text, at = 1, line = 1, file = file }, reader)
	local definitions = {}
	source:entries(function()
		if source:take "(%.)" then
			local types = {}
			local name = source:need(NAME)
			source:blanks()
			source:struct(name, types)
			definitions[#definitions + 1] = { types = types }
		else
			definitions[#definitions + 1] = { protocol = source:protocol(source:need(NAME)) }
		end
	end, "()$")
	return definitions
end

-- Linking -----------------------------------------------------------------------------------------

local function by_tag(a, b)
	return a.tag < b.tag
end

local function check_fields(ty)
	local names, tags = {}, {}
	for _, field in ipairs(ty.fields) do
		if names[field.name] then
			error(string.format("redefine %s in type %s", field.name, ty.name), 0)
		end
		if tags[field.tag] then
			error(string.format("redefine tag %d in type %s", field.tag, ty.name), 0)
		end
		names[field.name], tags[field.tag] = true, true
	end
	table.sort(ty.fields, by_tag)
end

-- The types of a protocol's own blocks replace others of the same name, as they always did.
local function add_types(all, types, is_own)
	for _, ty in ipairs(types) do
		if all[ty.name] and not is_own then
			error("redefined " .. ty.name, 0)
		end
		check_fields(ty)
		all[ty.name] = ty
	end
end

local function add_protocol(all, types, protocol)
	if all[protocol.name] then
		error("redefined " .. protocol.name, 0)
	end
	for _, body in ipairs(protocol.bodies) do
		if protocol[body.kind] then
			error(string.format("redefine %s in protocol %s", body.kind, protocol.name), 0)
		end
		add_types(types, body.types or {}, true)
		if body.type ~= "nil" then
			protocol[body.kind] = body.type
		elseif body.kind == "response" then
			protocol.confirm = true
		end
	end
	all[protocol.name] = protocol
end

-- The type that a name means within another: the innermost that is there.
local function find(types, within, name)
	local scope = within
	while scope do
		local found = types[scope .. "." .. name]
		if found then
			return found
		end
		scope = scope:match "^(.+)%.[^.]*$"
	end
	return types[name]
end

local function field_named(ty, name)
	for _, field in ipairs(ty.fields) do
		if field.name == name then
			return field
		end
	end
end

-- Gives the field the tag of its key.
local function link_key(field, element)
	local key
	if field.key == "" then
		if #element.fields ~= 2 then
			error(string.format("Invalid map definition: %s, must only have two fields", field.name), 0)
		end
		key = element.fields[1]
		field.is_map = true
	else
		key = field_named(element, field.key)
	end
	if not key or not BUILT_IN[key.type] then
		error("Invalid map index :" .. (key and key.name or field.key), 0)
	end
	field.key_tag = key.tag
end

local function link_field(types, ty, field)
	if BUILT_IN[field.type] then
		field.built_in = BUILT_IN[field.type]
		if field.type == "binary" then
			field.extra = BINARY
		elseif field.type == "integer" then
			field.extra = field.digits
		end
		if field.array and field.key then
			error("Invalid map index :" .. field.key, 0)
		end
		assert(field.type == "integer" or not field.digits)
		return
	end
	local found = find(types, ty.name, field.type)
	if not found then
		error(string.format("Undefined type %s in type %s", field.type, ty.name), 0)
	end
	field.extra = found
	if field.array and field.digits then
		error("Invalid map index :" .. field.digits, 0)
	end
	assert(not field.digits)
	if field.array and field.key then
		link_key(field, found)
	end
end

local function link_protocol(types, protocol)
	for _, kind in ipairs { "request", "response" } do
		local name = protocol[kind]
		if name then
			local found = types[name]
			if not found then
				error(string.format("Undefined %s type %s in protocol %s", kind, name, protocol.name), 0)
			end
			protocol[kind] = found
		end
	end
end

local function sorted(all, less)
	local list = {}
	for _, one in pairs(all) do
		list[#list + 1] = one
	end
	table.sort(list, less)
	return list
end

-- Lists of types and protocols, as the bundle has them.
local function link(definitions)
	local types, protocols = {}, {}
	for _, definition in ipairs(definitions) do
		if definition.types then
			add_types(types, definition.types)
		else
			add_protocol(protocols, types, definition.protocol)
		end
	end
	local type_list = sorted(types, function(a, b)
		return a.name < b.name
	end)
	for at, ty in ipairs(type_list) do
		ty.index = at - 1
		for _, field in ipairs(ty.fields) do
			link_field(types, ty, field)
		end
	end
	local protocol_list = sorted(protocols, by_tag)
	for at, protocol in ipairs(protocol_list) do
		local before = protocol_list[at - 1]
		if before and before.tag == protocol.tag then
			error(string.format("redefined protocol tag %d at %s", protocol.tag, protocol.name), 0)
		end
		link_protocol(types, protocol)
	end
	return type_list, protocol_list
end

-- Writing -----------------------------------------------------------------------------------------

local BLOCK = "\0\0"
local SKIP = "\1\0"

-- A message: its entries, and its blocks.
local function message(entries, blocks)
	-- What is skipped at the end is not written.
	while entries[#entries] == SKIP do
		entries[#entries] = nil
	end
	local parts = { string.pack("<I2", #entries), table.concat(entries) }
	for _, block in ipairs(blocks) do
		parts[#parts + 1] = string.pack("<s4", block)
	end
	return table.concat(parts)
end

local function number(value)
	if value then
		return string.pack("<I2", (value + 1) * 2)
	end
	return SKIP
end

local function flag(value)
	return number(value and 1 or nil)
end

local function list(items)
	local parts = {}
	for at, item in ipairs(items) do
		parts[at] = string.pack("<s4", item)
	end
	return table.concat(parts)
end

local function write_field(field)
	local extra = field.extra
	if type(extra) == "table" then
		extra = extra.index
	end
	return message({
		BLOCK,
		number(field.built_in),
		number(extra),
		number(field.tag),
		flag(field.array),
		number(field.key_tag),
		flag(field.is_map),
	}, { field.name })
end

local function write_type(ty)
	local fields = {}
	for at, field in ipairs(ty.fields) do
		fields[at] = write_field(field)
	end
	if #fields == 0 then
		return message({ BLOCK }, { ty.name })
	end
	return message({ BLOCK, BLOCK }, { ty.name, list(fields) })
end

local function write_protocol(protocol)
	local request, response = protocol.request, protocol.response
	return message({
		BLOCK,
		number(protocol.tag),
		number(request and request.index),
		number(response and response.index),
		flag(protocol.confirm and not response),
	}, { protocol.name })
end

local function write(types, protocols)
	local type_items, protocol_items = {}, {}
	for at, ty in ipairs(types) do
		type_items[at] = write_type(ty)
	end
	for at, protocol in ipairs(protocols) do
		protocol_items[at] = write_protocol(protocol)
	end
	if #protocols > 0 then
		assert(#types > 0)
		return message({ BLOCK, BLOCK }, { list(type_items), list(protocol_items) })
	end
	if #types == 0 then
		return message({}, {})
	end
	return message({ BLOCK }, { list(type_items) })
end

-- ------------------------------------------------------------------------------------------------

---The bundle of a schema.
---@param text string
---@param name string|nil  what errors call the text
---@return string
function parser.parse(text, name)
	if type(text) == "number" then
		text = tostring(text)
	elseif type(text) ~= "string" then
		error(string.format("bad argument #1 to 'parse' (string expected, got %s)", type(text)))
	end
	local ok, result = pcall(function()
		return write(link(read(text, name or "=text")))
	end)
	if not ok then
		error(result)
	end
	return result
end

---Prints bytes in hexadecimal.
---@param bytes string
function parser.dump(bytes)
	local parts = {}
	for at = 1, #bytes do
		parts[#parts + 1] = string.format("%02X ", bytes:byte(at))
		if at % MAX_LINE == 0 then
			parts[#parts + 1] = "\n"
		elseif at % (MAX_LINE // 2) == 0 then
			parts[#parts + 1] = "- "
		end
	end
	print(table.concat(parts))
end

return parser
