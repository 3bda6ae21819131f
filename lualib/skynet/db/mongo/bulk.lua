-- `client:bulkWrite`: writes to several collections in one command (servers from version 8 on).

local bson = require "bson"
local command = require "skynet.db.mongo.command"

local bulk = {}

local function add(fields, name, value)
	if value ~= nil then
		fields[#fields + 1] = name
		fields[#fields + 1] = value
	end
end

-- skynet's name of the hint is `hit`; the server knows no such field.
local function add_hints(fields, op)
	add(fields, "hint", op.hint or op.hit)
	add(fields, "collation", op.collation)
end

local ops = {}

function ops.insert(fields, op)
	add(fields, "document", command.document(op.insert))
end

function ops.update(fields, op)
	add(fields, "filter", op.filter)
	add(fields, "updateMods", op.update)
	add(fields, "multi", op.multi or false)
	add(fields, "upsert", op.upsert or false)
	add(fields, "constants", op.constants)
	add_hints(fields, op)
end

function ops.delete(fields, op)
	add(fields, "filter", op.filter)
	add(fields, "multi", op.multi or false)
	add_hints(fields, op)
end

-- Which results of the command are failures, and what is said of them behind `err`.
local function failures(result, err)
	local failed, errors = {}, { err }
	local batch = result.cursor and result.cursor.firstBatch or {}
	for i, entry in ipairs(batch) do
		if entry.ok ~= 1 then
			failed[#failed + 1] = i
			errors[#errors + 1] = tostring(entry.errmsg)
		end
	end
	return failed, #errors > 0 and table.concat(errors, ";") .. ";" or nil
end

---@param client skynet.db.mongo.Client
---@param list table[]          `{ op = "insert"|"update"|"delete", collection = "db.name", ... }`
---@param comment any
---@param ordered boolean|nil   stop at the first failure
---@param verify boolean|nil    do not check documents against the collection's rules
---@param errors_only boolean|nil
---@return boolean ok
---@return string|nil err
---@return table reply
---@return integer[]|nil failed  places in the reply's list of results; the command itself may be `ok`
function bulk.write(client, list, comment, ordered, verify, errors_only)
	local docs, namespaces, index_of = {}, {}, {}
	for i, op in ipairs(list) do
		local describe = ops[op.op] or error(tostring(op.op))
		local namespace = op.collection
		local index = index_of[namespace]
		if index == nil then
			index = #namespaces
			index_of[namespace] = index
			namespaces[index + 1] = { ns = namespace }
		end
		local fields = { op.op, index }
		describe(fields, op)
		docs[i] = bson.encode_order(table.unpack(fields))
	end
	local fields = { "ops", docs, "nsInfo", namespaces }
	add(fields, "ordered", ordered)
	add(fields, "bypassDocumentValidation", verify)
	add(fields, "comment", comment)
	add(fields, "errorsOnly", errors_only)
	local result = command.run(client, "admin", "bulkWrite", 1, table.unpack(fields))
	local ok, err = command.written(result)
	local failed = nil
	if result.nErrors ~= nil and result.nErrors ~= 0 then
		failed, err = failures(result, err)
	end
	return ok, err, result, failed
end

return bulk
