-- Transactions: `db:run_transaction(f)`, added by `mongo.enable "transaction"`.
--
-- What makes a command part of a transaction are fields at its end. They are kept by coroutine: all that `f` runs in
-- its own coroutine belongs to the transaction, what others do at the same time does not.

local bson = require "bson"
local command = require "skynet.db.mongo.command"

local running = coroutine.running

---@class skynet.db.mongo.Transaction
---@field fields table        names and values for its commands
---@field first_fields table  for its first one
---@field started boolean|nil

---@type table<thread, skynet.db.mongo.Transaction>
local transactions = setmetatable({}, { __mode = "k" })

local last_number = 0

local function new_transaction(id)
	last_number = last_number + 1
	local fields = { "lsid", id, "txnNumber", bson.int64(last_number), "autocommit", false }
	local first_fields = table.move(fields, 1, #fields, 1, {})
	first_fields[7], first_fields[8] = "startTransaction", true
	return { fields = fields, first_fields = first_fields }
end

-- Runs `f` and ends the transaction. Returns nil, or the error.
local function finish(client, transaction, f)
	local ok, err = xpcall(f, debug.traceback)
	local result = command.run(client, "admin", ok and "commitTransaction" or "abortTransaction")
	if not ok then
		return err
	elseif result.ok ~= 1 then
		return result.errmsg or "Reply from mongod error"
	end
end

---Runs `f` in a transaction and commits it; if `f` raises, all is undone.
---@param self skynet.db.mongo.Database
---@param f fun()
---@return any  nil, or the error: with its traceback, if `f` raised
local function run_transaction(self, f)
	local co = running()
	if transactions[co] then
		error("this coroutine has a transaction already")
	end
	local session = self:runCommand "startSession"
	command.check(session)
	local transaction = new_transaction(session.id)
	transactions[co] = transaction
	local ok, err = pcall(finish, self.connection, transaction, f)
	transactions[co] = nil
	-- The server forgets the session of a connection that is lost; there is no more to do then.
	pcall(self.runCommand, self, "endSessions", { session.id })
	if not ok and err == nil then
		return "Reply from mongod error"
	end
	return err
end

---@param database table  the methods of databases
return function(database)
	command.transaction = function() return transactions[running()] end
	database.run_transaction = run_transaction
end
