-- A structure of one writer that many services read, each as a copy of its own that it renews when it wants.
--
-- The structure is a type of the sproto schema in slot 0 of `sprotoloader`; its encoded form goes to the readers by
-- `skynet.stm`.

local sprotoloader = require "sprotoloader"
local stm = require "skynet.stm"

local sharemap = {}

---Parses a schema for all services of the node. Once, before there is any writer or reader.
---@param file string
function sharemap.register(file)
	sprotoloader.register(file, 0)
end

---@type sproto|nil
local schema

local function loaded()
	schema = schema or sprotoloader.load(0)
	return schema
end

---@class sharemap.Writer
---@field __typename string
---@field __data table  the program's own table
---@field __obj userdata
local Writer = {}

---Makes the next version of what the table holds now.
function Writer:commit()
	self.__obj(loaded():encode(self.__typename, self.__data))
end

---@return lightuserdata  a reference for one reader
function Writer:copy()
	return stm.copy(self.__obj)
end

local writer_meta = {
	__index = function(self, key)
		return self.__data[key]
	end,
	__newindex = function(self, key, value)
		self.__data[key] = value
	end,
}

---@param typename string
---@param obj table|nil  its fields are read and written through the writer
---@return sharemap.Writer
function sharemap.writer(typename, obj)
	obj = obj or {}
	return setmetatable({
		__typename = typename,
		__obj = stm.new(loaded():encode(typename, obj)),
		__data = obj,
		commit = Writer.commit,
		copy = Writer.copy,
	}, writer_meta)
end

---@class sharemap.Reader
---@field __typename string
---@field __data table  the version decoded last; stays the same table
---@field __obj userdata
local Reader = {}

local function decode(msg, size, reader)
	local data = reader.__data
	for key in pairs(data) do
		data[key] = nil
	end
	return loaded():decode(reader.__typename, msg, size, data)
end

---@return boolean  whether there was a new version
---@return table|nil data
---@return integer|nil bytes
function Reader:update()
	return self.__obj(decode, self)
end

local reader_meta = {
	__index = function(self, key)
		return self.__data[key]
	end,
	__newindex = function(_, key)
		error(string.format("the field %s of a reader cannot be written", tostring(key)), 2)
	end,
}

---@param typename string
---@param ref lightuserdata  of `writer:copy()`
---@return sharemap.Reader
function sharemap.reader(typename, ref)
	local self = setmetatable({
		__typename = typename,
		__obj = stm.newcopy(ref),
		__data = {},
		update = Reader.update,
	}, reader_meta)
	self:update()
	return self
end

return sharemap
