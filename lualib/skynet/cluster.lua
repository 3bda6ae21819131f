-- Calls to services of other nodes.
--
-- Once a service has the sender of a node (a native service that owns the connection), a call is one message to it,
-- and the answer comes from it. Before that, calls and sends wait here, packed, and go out in the order they were
-- made.

local skynet = require "skynet"

local call, send, packstring = skynet.call, skynet.send, skynet.packstring

local cluster = {}

---@type integer
local clusterd

---@type table<string, integer> senders that nothing waits for any more
local senders = {}
-- Senders that a program made itself, from a copy of skynet's: they take pointers.
---@type table<string, integer>
local classic = {}

---@class skynet.cluster.Waiting
---@field address any
---@field args string           packed
---@field co thread|nil         who calls; it sends by itself when it is woken
---@field sender integer|nil    set before that
---@field is_native boolean|nil

---@type table<string, skynet.cluster.Waiting[]>
local queues = {}

-- The message that a sender takes.
local function command_of(waiting)
	if waiting.is_native then
		return packstring(waiting.co and "call" or "send", waiting.address) .. waiting.args
	end
	local word = waiting.co and "req" or "push"
	return packstring(word, waiting.address, skynet.pack(skynet.unpack(waiting.args)))
end

-- Lets all that waits go out in order, or without a sender fail; more may come meanwhile.
local function drain(queue, sender, is_native)
	local n = 1
	while queue[n] do
		local waiting = queue[n]
		waiting.sender, waiting.is_native = sender, is_native
		if waiting.co then
			skynet.wakeup(waiting.co)
		elseif sender then
			skynet.rawsend(sender, "lua", command_of(waiting))
		end
		n = n + 1
		local following = queue[n]
		if waiting.co and not (following and following.co) then
			-- Those that are awake send now.
			skynet.yield()
		end
	end
end

-- Gets the sender, for all that waits.
local function open(node)
	local queue = queues[node]
	local ok, sender, is_native = pcall(call, clusterd, "lua", "sender", node)
	if not ok then
		skynet.error(sender)
		sender = nil
	end
	drain(queue, sender, is_native)
	queues[node] = nil
	if sender then
		local known = is_native and senders or classic
		known[node] = sender
	end
end

local function enqueue(node, waiting)
	local queue = queues[node]
	if not queue then
		queue = {}
		queues[node] = queue
		skynet.fork(open, node)
	end
	queue[#queue + 1] = waiting
end

local function call_later(node, address, ...)
	if classic[node] then
		return call(classic[node], "lua", "req", address, skynet.pack(...))
	end
	local waiting = { address = address, args = packstring(...), co = coroutine.running() }
	enqueue(node, waiting)
	skynet.wait(waiting.co)
	if not waiting.sender then
		error(string.format("cluster node [%s] cannot be reached, the log says why", node), 3)
	end
	return skynet.unpack(skynet.rawcall(waiting.sender, "lua", command_of(waiting)))
end

---Calls a service of another node.
---@param node string
---@param address integer|string  an address there, `".local"`, `"@registered"` or a global name
---@return any ...
function cluster.call(node, address, ...)
	local sender = senders[node]
	if sender then
		return call(sender, "lua", "call", address, ...)
	end
	return call_later(node, address, ...)
end

---Sends without an answer; dropped, with a log line, when the node cannot be reached.
---@param node string
---@param address integer|string
function cluster.send(node, address, ...)
	local sender = senders[node]
	if sender then
		send(sender, "lua", "send", address, ...)
	elseif classic[node] then
		send(classic[node], "lua", "push", address, skynet.pack(...))
	else
		enqueue(node, { address = address, args = packstring(...) })
	end
end

---Accepts connections: on a port of all IPv4 addresses, or on the address that the node table has for a name.
---@param port integer|string  0: a free one
---@param maxclient integer|nil  this one is refused, default 1024
---@return string address, integer|nil port
function cluster.open(port, maxclient)
	if type(port) == "string" then
		return call(clusterd, "lua", "listen", port, nil, maxclient)
	end
	return call(clusterd, "lua", "listen", "0.0.0.0", port, maxclient)
end

---Merges a node table, or reads the file of the config key `cluster` again.
---@param nodes table<string, string|boolean>|nil
function cluster.reload(nodes)
	call(clusterd, "lua", "reload", nodes)
end

---The node table as it is now: all names with their addresses, false for a node that is down.
---@return table<string, string|false>
function cluster.list_server()
	return call(clusterd, "lua", "list_server")
end

---A local service that stands for one of another node.
---@param node string  or `"node@name"`, `"node.name"` alone
---@param address integer|string|nil
---@return integer handle
function cluster.proxy(node, address)
	return call(clusterd, "lua", "proxy", node, address)
end

---A snax object for a service of another node, which must have called `snax.enablecluster`.
---@param node string
---@param name string
---@param address integer|string|nil  default: the unique service of that name there
---@return snax.Object
function cluster.snax(node, name, address)
	local snax = require "skynet.snax"
	address = address or cluster.call(node, ".service", "QUERY", "snaxd", name)
	return snax.bind(cluster.proxy(node, address), name)
end

---Gives a service a name for other nodes; it has one at a time.
---@param name string
---@param address integer|nil  default: this service
function cluster.register(name, address)
	assert(type(name) == "string")
	assert(address == nil or type(address) == "number")
	call(clusterd, "lua", "register", name, address or skynet.self())
end

---@param name string
function cluster.unregister(name)
	assert(type(name) == "string")
	call(clusterd, "lua", "unregister", name)
end

---The address that is registered under `name` (without `@`) on another node.
---@param node string
---@param name string
---@return integer
function cluster.query(node, name)
	return cluster.call(node, 0, name)
end

---The service that owns the connection to a node; connects first.
---@param node string
---@return integer|nil
function cluster.get_sender(node)
	local sender = senders[node] or classic[node]
	if sender then
		return sender
	end
	local waiting = { co = coroutine.running() }
	enqueue(node, waiting)
	skynet.wait(waiting.co)
	return waiting.sender
end

skynet.init(function()
	clusterd = skynet.uniqueservice "clusterd"
end)

return cluster
