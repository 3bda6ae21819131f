-- Collections: what is written to them and read from them.
--
-- A write comes in two forms. The plain one is sent and not answered, so nothing is known of it; the `safe` one waits
-- and returns whether it was done, the server's words if not, and its reply.

local bson = require "bson"
local command = require "skynet.db.mongo.command"
local cursor = require "skynet.db.mongo.cursor"
local index = require "skynet.db.mongo.index"

local encode, objectid = bson.encode, bson.objectid
local as_document, written = command.document, command.written

---@class skynet.db.mongo.Collection
---@field name string
---@field full_name string  with the database in front
---@field database skynet.db.mongo.Database
---@field connection skynet.db.mongo.Client
---@field [string] skynet.db.mongo.Collection
local collection = {}

local module = {}

local meta = {
	__index = function(self, name)
		local method = collection[name]
		if method == nil then
			method = module.new(self.database, name, self.full_name)
			rawset(self, name, method)
		end
		return method
	end,
	__tostring = function(self)
		return "[mongo collection :\t" .. self.full_name .. "]"
	end,
}

---@param database skynet.db.mongo.Database
---@param name string
---@param parent string  its full name
---@return skynet.db.mongo.Collection
function module.new(database, name, parent)
	return setmetatable({
		connection = database.connection,
		database = database.database,
		name = name,
		full_name = parent .. "." .. name,
	}, meta)
end

---@param name string
---@return skynet.db.mongo.Collection
function collection:getCollection(name)
	return module.new(self.database, name, self.full_name)
end

-- Inserts

local function with_id(doc)
	if doc._id == nil then
		doc._id = objectid()
	end
	return encode(doc)
end

local function encode_all(docs)
	for i, doc in ipairs(docs) do
		if type(doc) == "table" then
			docs[i] = with_id(doc)
		end
	end
	return docs
end

---@param doc table  gets an `_id` if it has none
function collection:insert(doc)
	self.database:send_command("insert", self.name, "documents", { with_id(doc) })
end

---@param doc table
---@return boolean, string|nil, table
function collection:safe_insert(doc)
	return self:raw_safe_insert(encode(doc))
end

---@param doc table|userdata
---@return boolean, string|nil, table
function collection:raw_safe_insert(doc)
	return written(self.database:runCommand("insert", self.name, "documents", { as_document(doc) }))
end

---@param docs table[]  its elements get an `_id` if they have none, and are replaced by encoded documents
function collection:batch_insert(docs)
	self.database:send_command("insert", self.name, "documents", encode_all(docs))
end

collection.insert_many = collection.batch_insert

---@param docs table[]  as in `batch_insert`
---@return boolean, string|nil, table
function collection:safe_batch_insert(docs)
	return written(self.database:runCommand("insert", self.name, "documents", encode_all(docs)))
end

collection.safe_insert_many = collection.safe_batch_insert

-- Updates

local function update_of(query, update, upsert, multi)
	return encode { q = query, u = update, upsert = upsert, multi = multi }
end

local function updates_of(list)
	local updates = {}
	for i, entry in ipairs(list) do
		updates[i] = update_of(entry.query, entry.update, entry.upsert, entry.multi)
	end
	return updates
end

---@param query table
---@param update table
---@param upsert boolean|nil
---@param multi boolean|nil
function collection:update(query, update, upsert, multi)
	self.database:send_command("update", self.name, "updates", { update_of(query, update, upsert, multi) })
end

---@return boolean, string|nil, table
function collection:safe_update(query, update, upsert, multi)
	return self:raw_safe_update(update_of(query, update, upsert, multi))
end

---@param update table|userdata  `{ q =, u =, upsert =, multi = }`
---@return boolean, string|nil, table
function collection:raw_safe_update(update)
	return written(self.database:runCommand("update", self.name, "updates", { as_document(update) }))
end

---@param list {query: table, update: table, upsert: boolean|nil, multi: boolean|nil}[]
function collection:batch_update(list)
	self.database:send_command("update", self.name, "updates", updates_of(list))
end

---@return boolean, string|nil, table
function collection:safe_batch_update(list)
	return written(self.database:runCommand("update", self.name, "updates", updates_of(list)))
end

-- Deletes

local function delete_of(query, single)
	return encode { q = query, limit = single and 1 or 0 }
end

---@param query table
---@param single boolean|nil  one document at most
function collection:delete(query, single)
	self.database:send_command("delete", self.name, "deletes", { delete_of(query, single) })
end

---@return boolean, string|nil, table
function collection:safe_delete(query, single)
	return self:raw_safe_delete(delete_of(query, single))
end

---@param delete table|userdata  `{ q =, limit = }`
---@return boolean, string|nil, table
function collection:raw_safe_delete(delete)
	return written(self.database:runCommand("delete", self.name, "deletes", { as_document(delete) }))
end

---@param queries table[]
---@param single boolean|nil  one document at most of each query
---@return boolean, string|nil, table
function collection:safe_batch_delete(queries, single)
	local deletes = {}
	for i, query in ipairs(queries) do
		deletes[i] = delete_of(query, single)
	end
	return written(self.database:runCommand("delete", self.name, "deletes", deletes))
end

-- Reading

---@param query table|nil
---@param projection table|nil
---@return table|nil
function collection:findOne(query, projection)
	local result = self.database:runCommand("find", self.name, "filter", as_document(query), "limit", 1,
		"projection", as_document(projection))
	command.check(result)
	return result.cursor.firstBatch[1]
end

---@param query table|nil
---@param projection table|nil
---@return skynet.db.mongo.Cursor  nothing is sent yet
function collection:find(query, projection)
	return cursor.find(self, query, projection)
end

---@param pipeline table[]
---@param options table|nil  further fields of the command, among them `cursor`
---@return skynet.db.mongo.AggregateCursor  nothing is sent yet
function collection:aggregate(pipeline, options)
	return cursor.aggregate(self, assert(pipeline), options)
end

---@param doc table  `query`, `update` or `remove`, and more fields of the command
---@return table
function collection:findAndModify(doc)
	assert(doc.query)
	assert(doc.update or doc.remove)
	local fields = {}
	for name, value in pairs(doc) do
		fields[#fields + 1] = name
		fields[#fields + 1] = value
	end
	return self.database:runCommand("findAndModify", self.name, table.unpack(fields))
end

-- Indexes

---@param keys table         `{ {k1 = 1}, {k2 = -1}, "k3", unique = true }`; with `option` just `{ key = 1 }`
---@param option table|nil
---@return table
function collection:createIndex(keys, option)
	local doc = option and index.of_one_key(keys, option) or index.of_model(keys)
	return self.database:runCommand("createIndexes", self.name, "indexes", { doc })
end

collection.ensureIndex = collection.createIndex

---@param ... table
---@return table
function collection:createIndexes(...)
	local docs = {}
	for i, model in ipairs { ... } do
		docs[i] = index.of_model(model)
	end
	return self.database:runCommand("createIndexes", self.name, "indexes", docs)
end

---@param name string  `"*"`: all
---@return table
function collection:dropIndex(name)
	return self.database:runCommand("dropIndexes", self.name, "index", name)
end

---@return table
function collection:drop()
	return self.database:runCommand("drop", self.name)
end

return module
