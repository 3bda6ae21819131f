-- Descriptions of indexes, from the forms in which programs give them.

local bson = require "bson"
local command = require "skynet.db.mongo.command"

local index = {}

-- `fields` are the options; the keys stand in the order in which they are indexed.
local function encode(fields, keys)
	if fields.name == nil then
		local parts = {}
		for i, part in ipairs(keys) do
			parts[i] = tostring(part)
		end
		fields.name = table.concat(parts, "_")
	end
	fields.key = bson.encode_order(table.unpack(keys))
	return bson.encode(fields)
end

---@param model table  keys in the array part, options as fields
---@return userdata
function index.of_model(model)
	local options = {}
	for name, value in pairs(model) do
		if type(name) == "string" then
			options[name] = value
		end
	end
	local keys = command.ordered(model)
	assert(#keys > 0, "Need keys")
	return encode(options, keys)
end

---@param keys table    one key
---@param option table
---@return userdata
function index.of_one_key(keys, option)
	local options = {}
	for name, value in pairs(option) do
		options[name] = value
	end
	local list = command.ordered { keys }
	assert(#list > 0, "Need keys")
	assert(#list == 2, "Use new api for multi-keys")
	return encode(options, list)
end

return index
