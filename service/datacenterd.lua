-- `DATACENTER`: a tree of keys for the whole network, and waiting for keys to get a value.
--
-- Waiters live in a tree of the same shape beside the data. A node of it is either a queue (somebody waits for
-- exactly this path) or a branch (somebody waits below): never both.

local skynet = require "skynet"

local data = {}

---@class datacenterd.Node
---@field queue function[]|nil  answers of those that wait for this path
---@field below table|nil       key -> node

---@type datacenterd.Node
local waiters = { below = {} }

local CMD = {}

local function lookup(value, key, ...)
	if key == nil then
		return value
	end
	if value == nil then
		return nil
	end
	return lookup(value[key], ...)
end

function CMD.QUERY(key, ...)
	if key == nil then
		skynet.ret()
	else
		skynet.retpack(lookup(data, key, ...))
	end
end

-- Sets a leaf and makes the tables on the way. Returns the old value and whether the path has got one now.
local function store(node, key, value, ...)
	if select("#", ...) > 0 then
		local child = node[key]
		if child == nil then
			child = {}
			node[key] = child
		end
		return store(child, value, ...)
	end
	local old = node[key]
	node[key] = value
	return old, old == nil and value ~= nil
end

-- Takes the queue that waits for this path or for a part of it out of the tree; empty branches go with it.
-- The second result is true when it waits for exactly this path.
local function take_waiting(node, path, depth)
	local child = node.below[path[depth]]
	if child == nil then
		return nil
	end
	local queue, exact = child.queue, depth == path.n
	if queue == nil and not exact then
		queue, exact = take_waiting(child, path, depth + 1)
	end
	if child.queue or (queue and next(child.below) == nil) then
		node.below[path[depth]] = nil
	end
	return queue, exact
end

function CMD.UPDATE(...)
	local n = select("#", ...)
	if n < 2 then
		assert((...) ~= nil, "a key is needed")
		skynet.retpack(nil)
		return
	end
	local old, fresh = store(data, ...)
	skynet.retpack(old)
	if not fresh then
		return
	end
	local path = table.pack(...)
	local value = path[n]
	path.n = n - 1
	local queue, exact = take_waiting(waiters, path, 1)
	for _, answer in ipairs(queue or {}) do
		-- Who waits for what has become a branch can never be answered.
		answer(exact, value)
	end
end

local function wait_at(node, path, depth)
	local key = path[depth]
	local child = node.below[key]
	local last = depth == path.n
	if child == nil then
		child = last and { queue = {} } or { below = {} }
		node.below[key] = child
	elseif last ~= (child.queue ~= nil) then
		error "somebody waits above or below this path"
	end
	if not last then
		return wait_at(child, path, depth + 1)
	end
	table.insert(child.queue, skynet.response())
end

function CMD.WAIT(...)
	local path = table.pack(...)
	for i = 1, path.n do
		if path[i] == nil then
			path.n = i - 1
			break
		end
	end
	assert(path.n > 0, "a key is needed")
	local value = lookup(data, ...)
	if value ~= nil then
		skynet.retpack(value)
	else
		wait_at(waiters, path, 1)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
end)
