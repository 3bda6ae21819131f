-- SQLite: a database in a file of this machine, with no server.
--
-- A database has a thread of its own, which this module reaches by messages (the native service `.sqlite`), so a slow
-- query keeps only its caller waiting. Queries of all coroutines run one after the other, in order. A transaction has
-- the database for itself: what other coroutines ask meanwhile waits until it ends.

local skynet = require "skynet"
require "skynet.manager"

local running = coroutine.running

local sqlite = {}

---@class skynet.db.sqlite.Database
---@field private service integer
---@field private id integer
---@field private holder thread|nil   in a transaction
---@field private waiting thread[]
local methods = {}

local function close(self)
	local id = self.id
	self.id = nil
	if id then
		skynet.send(self.service, "lua", "close", id)
	end
end

local meta = {
	__index = methods,
	__gc = function(self) pcall(close, self) end,
}

local function service()
	return skynet.localname ".sqlite" or skynet.launch "sqlite" or skynet.localname ".sqlite"
		or error("sqlite: the service cannot be launched", 0)
end

---Opens a database, which is made if it does not exist.
---@param path string|nil  nil: in memory
---@param options {wal: boolean|nil}|nil  wal: readers and a writer of other processes do not keep each other waiting
---@return skynet.db.sqlite.Database
function sqlite.open(path, options)
	local address = service()
	local id = skynet.call(address, "lua", "open", path or ":memory:", options and options.wal and true or false)
	if type(id) ~= "number" then
		error(string.format("sqlite: cannot open %s: %s", path, id.err), 2)
	end
	return setmetatable({ service = address, id = id, waiting = {} }, meta)
end

local function check_open(self)
	if self.id == nil then
		error("the database is closed", 3)
	end
end

-- Waits while another coroutine has the database for itself.
local function enter(self)
	check_open(self)
	local co = running()
	while self.holder and self.holder ~= co do
		table.insert(self.waiting, co)
		skynet.wait(co)
		check_open(self)
	end
end

local parameter_types = { ["nil"] = true, boolean = true, number = true, string = true }

local function check_parameters(...)
	for i = 1, select("#", ...) do
		local kind = type((select(i, ...)))
		if not parameter_types[kind] then
			error("invalid parameter type " .. kind, 3)
		end
	end
end

---@param sql string
---@param ... nil|boolean|number|string  one value for each `?`
---@return table  rows; or `{affected_rows=, insert_id=}`; or `{badresult = true, err=, errno=, sqlstate=}`
function methods:query(sql, ...)
	if type(sql) ~= "string" or not utf8.len(sql) then
		error("sql: a text in UTF-8 is expected; other bytes can be parameters", 2)
	end
	check_parameters(...)
	enter(self)
	return skynet.call(self.service, "lua", "query", self.id, sql, ...)
end

local function leave(self)
	self.holder = nil
	local waiting = self.waiting
	self.waiting = {}
	for _, co in ipairs(waiting) do
		skynet.wakeup(co)
	end
end

local transaction_meta = {
	-- Only a coroutine that was killed is still in it.
	__close = function(guard)
		local self = guard.database
		if self.holder == guard.coroutine then
			if self.id then
				skynet.send(self.service, "lua", "query", self.id, "rollback")
			end
			leave(self)
		end
	end,
}

local function must(result)
	if result.badresult then
		error("sqlite: " .. result.err, 0)
	end
end

---Runs `f(db)` with the database for itself: all that this coroutine asks in it is stored together, or nothing when
---`f` raises.
---@param f fun(db: skynet.db.sqlite.Database): ...
---@return any ...  what `f` returns; its error passes through
function methods:transaction(f)
	local co = running()
	if self.holder == co then
		error("a transaction in a transaction", 2)
	end
	enter(self)
	self.holder = co
	local _ <close> = setmetatable({ database = self, coroutine = co }, transaction_meta)
	must(self:query "begin immediate")
	local results = table.pack(pcall(f, self))
	if not results[1] then
		self:query "rollback"
		leave(self)
		error(results[2], 0)
	end
	local committed = self:query "commit"
	if committed.badresult then
		self:query "rollback"
	end
	leave(self)
	must(committed)
	return table.unpack(results, 2, results.n)
end

---Closes the database. What runs is interrupted; what was asked before it still gets its answer.
function methods:close()
	close(self)
	leave(self)
end

return sqlite
