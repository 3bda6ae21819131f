-- Commands: documents of OP_MSG, sent and answered.
--
-- A command's own field comes first, then the database, then the pairs in the order given; servers care. Inside a
-- transaction its coroutine's commands get further fields at their end: `transaction` is set by that extension.

local bson = require "bson"
local driver = require "skynet.mongo.driver"
local reply = require "welkin.mongo"

local encode_order = bson.encode_order
local op_msg = driver.op_msg
local document = reply.document
local unpack = table.unpack

-- Ids fit a C `int`, and begin again after this one.
local ID_MAX = 0x7fffffff
-- Flag of OP_MSG: the server must not answer.
local MORE_TO_COME = 2
local UNACKNOWLEDGED = bson.encode { w = 0 }

local command = {
	---@type nil|fun(): skynet.db.mongo.Transaction|nil  that of the running coroutine
	transaction = nil,
}

---@param client skynet.db.mongo.Client
---@return integer
function command.next_id(client)
	local id = client.__id
	id = id < ID_MAX and id + 1 or 1
	client.__id = id
	return id
end

-- As the channel's `__gc` may come late, what a request leaves here must be undone even if its coroutine is killed.
local busy_meta = {
	__close = function(busy)
		busy.count = busy.count - 1
	end,
}

---Makes the channel know how many requests wait on it.
---@param channel skynet.socketchannel.Channel
function command.count_requests(channel)
	channel.busy = setmetatable({ count = 0 }, busy_meta)
end

-- The connection with the fewest requests under way, or a new one instead of a busy one.
local function pick(client)
	local best = client.__sock
	local busy = best.busy.count
	if busy > 0 and client.__new_channel then
		for _, channel in ipairs(client.__channels) do
			local count = channel.busy.count
			if count < busy then
				best, busy = channel, count
			end
		end
		return busy > 0 and client.__new_channel() or best
	end
	return best
end

local function request(channel, id, doc)
	local busy = channel.busy
	busy.count = busy.count + 1
	local _ <close> = busy
	return document(channel:request(op_msg(id, 0, doc), id))
end

-- The document of a command in a transaction. That it has begun is only true when a document says so.
local function encode_in(transaction, name, value, database, ...)
	local fields = transaction.started and transaction.fields or transaction.first_fields
	local given = select("#", ...)
	local all = table.move(fields, 1, #fields, given + 1, { ... })
	local doc = encode_order(name, value or 1, "$db", database, unpack(all, 1, given + #fields))
	transaction.started = true
	return doc
end

---@param client skynet.db.mongo.Client
---@param database string
---@param name string
---@param value any
---@param ... any
---@return table
function command.run(client, database, name, value, ...)
	local channel = client.__sock
	if client.__new_channel then
		channel = pick(client)
	end
	-- Indexed before anything is encoded: of a client that has been closed this raises.
	local _ = channel.busy
	local doc
	local transaction = command.transaction and command.transaction()
	if transaction then
		doc = encode_in(transaction, name, value, database, ...)
	elseif value then
		doc = encode_order(name, value, "$db", database, ...)
	else
		doc = encode_order(name, 1, "$db", database)
	end
	return request(channel, command.next_id(client), doc)
end

---Runs a command on this very connection: what the login needs.
---@param client skynet.db.mongo.Client
---@param channel skynet.socketchannel.Channel
---@param database string
---@param name string
---@param value any
---@param ... any
---@return table
function command.run_on(client, channel, database, name, value, ...)
	return request(channel, command.next_id(client), encode_order(name, value or 1, "$db", database, ...))
end

---Sends a command that is not answered.
---@param client skynet.db.mongo.Client
---@param database string
---@param name string
---@param value any
---@param ... any
function command.send(client, database, name, value, ...)
	local channel = client.__sock
	local doc
	local transaction = command.transaction and command.transaction()
	if transaction then
		doc = encode_in(transaction, name, value, database, ...)
	elseif value then
		doc = encode_order(name, value, "$db", database, "writeConcern", UNACKNOWLEDGED, ...)
	else
		doc = encode_order(name, 1, "$db", database, "writeConcern", UNACKNOWLEDGED)
	end
	channel:request(op_msg(command.next_id(client), MORE_TO_COME, doc))
end

---Raises what the server says of a command that failed.
---@param result table
function command.check(result)
	if result.ok ~= 1 then
		error(result.errmsg or "Reply from mongod error", 2)
	end
end

---What a write that was answered comes to.
---@param result table
---@return boolean, string|nil, table
function command.written(result)
	local write_error = result.writeErrors and (result.writeErrors[1] or result.writeErrors)
	local concern_error = result.writeConcernError
	if result.ok == 1 and not write_error and not concern_error and not result.errmsg then
		return true, nil, result
	end
	local err = write_error and write_error.errmsg or concern_error and concern_error.errmsg or result.errmsg
	return false, err, result
end

---Names and directions in their order: `{ k1 = 1 }, { k2 = -1 }` or names alone, which are ascending.
---@param list (string|table)[]
---@return table  name, direction, ...
function command.ordered(list)
	local fields = {}
	for _, entry in ipairs(list) do
		if type(entry) == "table" then
			for name, direction in pairs(entry) do
				fields[#fields + 1] = name
				fields[#fields + 1] = direction
			end
		else
			fields[#fields + 1] = entry
			fields[#fields + 1] = 1
		end
	end
	return fields
end

---@param value table|userdata|nil  nil: the empty document; one that is encoded stays as it is
---@return userdata
function command.document(value)
	return type(value) == "userdata" and value or bson.encode(value or {})
end

return command
