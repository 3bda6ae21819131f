-- Several connections behind one object.
--
-- A call goes to a connection that has nothing to do; if all are busy a new one is opened up to the size of the pool,
-- and beyond that it joins the least busy one, as requests may follow each other on one connection. So a call can
-- rely on nothing that an earlier one left behind: what needs one connection for several calls (transactions,
-- prepared statements, insert ids) holds it by `with`.

local skynet = require "skynet"

-- An upper limit against a slip in a config; servers have limits of their own.
local SIZE_MAX = 1024

---@class welkin.db.pool.Member
---@field db table
---@field busy integer       calls under way
---@field held boolean|nil   in `with`

---@class welkin.db.Pool
---@field private members welkin.db.pool.Member[]
---@field private size integer
---@field private opening integer
---@field private open fun(): table
---@field private waiting thread[]  want a connection for themselves
---@field private closed boolean  set from the start: a field that is missing would be a method
---@field [string] fun(self, ...): any  a method of the connections
local pool = {}

-- What belongs to one connection, so that a pool cannot have it.
local OF_ONE = {
	prepare = true, execute = true, stmt_close = true, stmt_reset = true,
	multi = true, exec = true, discard = true, watch = true, unwatch = true,
	set_compact_arrays = true, select = true, auth = true, asking = true, readonly = true, monitor = true,
}

local function wake_one(self)
	local co = table.remove(self.waiting, 1)
	if co then
		skynet.wakeup(co)
	end
end

local function open_member(self)
	self.opening = self.opening + 1
	local ok, db = pcall(self.open)
	self.opening = self.opening - 1
	if not ok then
		wake_one(self)
		error(db, 0)
	elseif self.closed then
		db:disconnect()
		error("the pool is closed", 0)
	end
	local member = { db = db, busy = 0 }
	table.insert(self.members, member)
	return member
end

local function has_room(self)
	return #self.members + self.opening < self.size
end

-- The least busy one that nobody holds.
local function least_busy(self)
	local best
	for _, member in ipairs(self.members) do
		if not member.held and (best == nil or member.busy < best.busy) then
			best = member
		end
	end
	return best
end

local function wait_for_change(self)
	local co = coroutine.running()
	table.insert(self.waiting, co)
	skynet.wait(co)
	if self.closed then
		error("the pool is closed", 0)
	end
end

-- A connection for one call; `alone`: for nobody else beside.
local function acquire(self, alone)
	while true do
		local member = least_busy(self)
		if member and (member.busy == 0 or not (alone or has_room(self))) then
			return member
		elseif has_room(self) then
			member = open_member(self)
			if not member.held and member.busy == 0 then
				return member
			end
		else
			wait_for_change(self)
		end
	end
end

local release_meta = {
	__close = function(guard)
		local member = guard.member
		member.busy = member.busy - 1
		member.held = nil
		wake_one(guard.pool)
	end,
}

local function forward(self, name, ...)
	local member = acquire(self, false)
	member.busy = member.busy + 1
	local _ <close> = setmetatable({ pool = self, member = member }, release_meta)
	return (member.db[name](member.db, ...))
end

---Holds one connection while `f(connection)` runs and returns what it returns. If it raises, the connection is closed,
---so that the server undoes a transaction that was not ended.
---@param f fun(connection: table): ...
---@return any ...
function pool:with(f)
	local member = acquire(self, true)
	member.held = true
	member.busy = member.busy + 1
	local _ <close> = setmetatable({ pool = self, member = member }, release_meta)
	local results = table.pack(pcall(f, member.db))
	if results[1] then
		return table.unpack(results, 2, results.n)
	end
	for i, other in ipairs(self.members) do
		if other == member then
			table.remove(self.members, i)
			break
		end
	end
	pcall(member.db.disconnect, member.db)
	error(results[2], 0)
end

---Closes all connections; requests under way raise.
function pool:disconnect()
	self.closed = true
	for _, member in ipairs(self.members) do
		pcall(member.db.disconnect, member.db)
	end
	while self.waiting[1] do
		wake_one(self)
	end
	setmetatable(self, nil)
end

local meta = {
	__index = function(_, name)
		local f = pool[name]
		if f == nil and type(name) == "string" then
			if OF_ONE[name:lower()] then
				f = function()
					error(name .. " belongs to one connection of the pool: hold it by db:with(function(conn) ... end)", 2)
				end
			else
				f = function(self, ...) return forward(self, name, ...) end
			end
			pool[name] = f
		end
		return f
	end,
}

local module = {}

---@param size integer        connections at most
---@param open fun(): table   makes one, or raises
---@return welkin.db.Pool  with one open connection
function module.new(size, open)
	if math.type(size) ~= "integer" or size < 1 or size > SIZE_MAX then
		error(string.format("pool = %s: a number from 1 to %d is expected", tostring(size), SIZE_MAX), 0)
	end
	local self = { members = {}, opening = 0, size = size, open = open, waiting = {}, closed = false }
	open_member(self)
	return setmetatable(self, meta)
end

return module
