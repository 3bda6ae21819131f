-- Cursors: results that are fetched a batch at a time, when the program asks for more.

local bson = require "bson"
local command = require "skynet.db.mongo.command"

local int64, encode_order = bson.int64, bson.encode_order
local as_document = command.document
local unpack = table.unpack

-- What both kinds have.
---@class skynet.db.mongo.Cursor
---@field private collection skynet.db.mongo.Collection
---@field private batch table[]|nil   what was fetched last
---@field private at integer          how many of it were given out
---@field private fetched integer     documents in all
---@field private id integer|nil      of the server's cursor, while it is open
---@field private started boolean|nil
local cursor = {}

local function sort_document(...)
	if select("#", ...) == 1 and type(...) ~= "string" then
		return as_document((...))
	end
	return encode_order(unpack(command.ordered { ... }))
end

---@param ... table  the key, or keys in their order
---@return self
function cursor:sort(...)
	self.sorting = sort_document(...)
	return self
end

---@param count integer
---@return self
function cursor:skip(count)
	self.skipped = count
	return self
end

---@param count integer  0: none
---@return self
function cursor:limit(count)
	self.limited = count
	return self
end

local function take(self, result, name)
	command.check(result)
	local found = result.cursor
	local batch, id = found and found[name], found and found.id
	if type(batch) ~= "table" or math.type(id) ~= "integer" then
		error("Reply from mongod error")
	end
	self.batch, self.at = batch, 0
	self.fetched = self.fetched + #batch
	self.id = id ~= 0 and id or nil
	local limit = self.limited
	if limit and limit > 0 and self.fetched >= limit then
		self:close()
	end
end

local function fetch_more(self)
	local collection = self.collection
	local fields = { "collection", collection.name }
	if self.batch_size then
		fields[3], fields[4] = "batchSize", self.batch_size
	end
	take(self, collection.database:runCommand("getMore", int64(self.id), unpack(fields)), "nextBatch")
end

---Whether there is one more document; fetches it if need be.
---@return boolean
function cursor:hasNext()
	while self.batch == nil or self.at >= #self.batch do
		if not self.started then
			self.started = true
			take(self, self:start(), "firstBatch")
		elseif self.id then
			fetch_more(self)
		else
			return false
		end
	end
	return true
end

---@return table  the next document; after `hasNext`
function cursor:next()
	local batch = self.batch
	local at = self.at + 1
	local doc = batch and batch[at]
	if doc == nil then
		error "Call\thasNext\tfirst"
	end
	self.at = at
	return doc
end

---Frees the server's cursor. What has been fetched can still be read.
function cursor:close()
	local id = self.id
	if id then
		self.id = nil
		local collection = self.collection
		collection.database:send_command("killCursors", collection.name, "cursors", { int64(id) })
	end
end

-- Of `find`

local find = setmetatable({}, { __index = cursor })
local find_meta = { __index = find }

---@param name string|table
---@return self
function find:hint(name)
	self.hinted = name
	return self
end

---@param ms integer  how long the server may work
---@return self
function find:maxTimeMS(ms)
	self.time_ms = ms
	return self
end

---@param count integer  documents fetched at a time
---@return self
function find:batchSize(count)
	self.batch_size = count
	return self
end

local function append(fields, name, value)
	if value ~= nil then
		fields[#fields + 1] = name
		fields[#fields + 1] = value
	end
end

function find:start()
	local fields = { "filter", self.query, "sort", self.sorting or as_document(nil), "projection", self.projection }
	append(fields, "skip", self.skipped)
	append(fields, "limit", self.limited)
	append(fields, "hint", self.hinted)
	append(fields, "maxTimeMS", self.time_ms)
	append(fields, "batchSize", self.batch_size)
	return self.collection.database:runCommand("find", self.collection.name, unpack(fields))
end

---How many documents the query finds.
---@param within boolean|nil  with regard to `skip` and `limit`
---@return number
function find:count(within)
	local fields = { "query", self.query }
	if within then
		append(fields, "skip", self.skipped)
		append(fields, "limit", self.limited)
	end
	append(fields, "hint", self.hinted)
	append(fields, "maxTimeMS", self.time_ms)
	local result = self.collection.database:runCommand("count", self.collection.name, unpack(fields))
	command.check(result)
	return tonumber(result.n) or error "Reply from mongod error"
end

-- Of `aggregate`

---@class skynet.db.mongo.AggregateCursor: skynet.db.mongo.Cursor
local aggregate = setmetatable({}, { __index = cursor })
local aggregate_meta = { __index = aggregate }

local function stages(self, sorted, within)
	local list = table.move(self.pipeline, 1, #self.pipeline, 1, {})
	if sorted and self.sorting then
		list[#list + 1] = { ["$sort"] = self.sorting }
	end
	if within and (self.skipped or 0) > 0 then
		list[#list + 1] = { ["$skip"] = self.skipped }
	end
	if within and (self.limited or 0) > 0 then
		list[#list + 1] = { ["$limit"] = self.limited }
	end
	return list
end

-- An empty pipeline is an empty array, which a plain table is not.
local function as_array(list)
	if #list == 0 then
		setmetatable(list, { __len = function() return 0 end })
	end
	return list
end

function aggregate:start()
	local fields = { "pipeline", as_array(stages(self, true, true)) }
	for name, value in pairs(self.options or { cursor = as_document(nil) }) do
		append(fields, name, value)
	end
	return self.collection.database:runCommand("aggregate", self.collection.name, unpack(fields))
end

---How many documents come out of the pipeline.
---@param within boolean|nil  with regard to `skip` and `limit`
---@return number
function aggregate:count(within)
	local list = stages(self, false, within)
	list[#list + 1] = { ["$count"] = "__count" }
	local result = self.collection.database:runCommand("aggregate", self.collection.name, "pipeline", list,
		"cursor", as_document(nil))
	command.check(result)
	local counted = result.cursor and result.cursor.firstBatch
	if type(counted) ~= "table" then
		error "Reply from mongod error"
	end
	-- Nothing to count is no document.
	return counted[1] and counted[1].__count or 0
end

local module = {}

---@param collection skynet.db.mongo.Collection
---@param query table|nil
---@param projection table|nil
---@return skynet.db.mongo.Cursor
function module.find(collection, query, projection)
	return setmetatable({
		collection = collection,
		query = as_document(query),
		projection = as_document(projection),
		at = 0,
		fetched = 0,
	}, find_meta)
end

---@param collection skynet.db.mongo.Collection
---@param pipeline table[]
---@param options table|nil
---@return skynet.db.mongo.AggregateCursor
function module.aggregate(collection, pipeline, options)
	return setmetatable({
		collection = collection,
		pipeline = table.move(pipeline, 1, #pipeline, 1, {}),
		options = options,
		at = 0,
		fetched = 0,
	}, aggregate_meta)
end

return module
