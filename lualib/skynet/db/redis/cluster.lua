-- A client of a Redis cluster: each command goes to the node that has the slot of its key.
--
-- The table of slots is read from the first node that answers, and again when a node says that a slot has moved. One
-- connection to each node is shared by all coroutines. A command is repeated when a node refused it or the connection
-- was lost, 16 times at most.

local skynet = require "skynet"
local redis = require "skynet.db.redis"
local resp = require "welkin.resp"
local socketchannel = require "skynet.socketchannel"

local TRIES_MAX = 16
local CONNECTIONS_MAX = 256
-- 1/100 s between two of the later tries after a lost connection.
local PAUSE = 10

local key_slot = resp.slot
local LOST = socketchannel.error

---@class skynet.db.redis.cluster.Node
---@field host string
---@field port integer
---@field name string  `host:port`
---@field slaves skynet.db.redis.cluster.Node[]|nil

---@class skynet.db.redis.Cluster
---@field slots table<integer, skynet.db.redis.cluster.Node>
---@field nodes skynet.db.redis.cluster.Node[]
---@field connections table<string, skynet.db.redis.Connection>  by `host:port`
---@field [string] fun(self, ...): any
local methods = {}

local function new_node(host, port, slaves)
	return { host = host, port = port, name = host .. ":" .. port, slaves = slaves }
end

-- The text of an error without the position before it.
local function plain(err)
	return tostring(err):match ".+:%d+:%s(.*)$" or tostring(err)
end

-- Connections

local function close_connection(self, name)
	local connection = self.connections[name]
	self.connections[name], self.readonly[name] = nil, nil
	if connection then
		-- It may have ended by itself.
		pcall(connection.disconnect, connection)
	end
end

local function make_room(self)
	local count = 0
	for _ in pairs(self.connections) do
		count = count + 1
	end
	while count >= self.max_connections do
		close_connection(self, (next(self.connections)))
		count = count - 1
	end
end

local function connection_of(self, node)
	local connection = self.connections[node.name]
	if connection == nil then
		local opened = redis.connect {
			host = node.host,
			port = node.port,
			auth = self.opt.auth,
			db = self.opt.db or 0,
			connect_timeout_ms = self.opt.connect_timeout_ms,
			query_timeout_ms = self.opt.query_timeout_ms,
			slow_ms = self.opt.slow_ms,
			tls = self.opt.tls,
		}
		connection = self.connections[node.name]
		if connection then
			-- Another coroutine was faster.
			opened:disconnect()
		else
			make_room(self)
			connection = opened
			self.connections[node.name] = connection
		end
	end
	return connection
end

---Closes all connections; they are opened again when they are needed.
function methods:close_all_connection()
	for name in pairs(self.connections) do
		close_connection(self, name)
	end
end

-- The table of slots

---Forgets which node has which slot.
function methods:flush_slots_cache()
	self.slots = {}
end

local function take_slots(self, answer)
	local slots, nodes, known = {}, {}, {}
	for _, range in ipairs(answer) do
		local slaves = {}
		for i = 4, #range do
			slaves[#slaves + 1] = new_node(range[i][1], range[i][2])
		end
		local node = new_node(range[3][1], range[3][2], slaves)
		for slot = range[1], range[2] do
			slots[slot] = node
		end
		if not known[node.name] then
			known[node.name] = true
			nodes[#nodes + 1] = node
		end
	end
	self.slots, self.nodes = slots, nodes
end

local function ask_for_slots(self, node)
	take_slots(self, connection_of(self, node):cluster "slots")
end

---Reads the table of slots from the first node that answers.
function methods:initialize_slots_cache()
	local tried = {}
	for _, list in ipairs { self.startup_nodes, self.nodes } do
		for _, node in ipairs(list) do
			if not tried[node.name] then
				tried[node.name] = true
				if pcall(ask_for_slots, self, node) then
					self.refresh = false
					return
				end
			end
		end
	end
end

---@param key string
---@return integer  0 to 16383
function methods:keyslot(key)
	return key_slot(key)
end

-- Which node

local function answers(connection)
	return connection:ping() == "PONG"
end

local function shuffled(lists)
	local nodes, known = {}, {}
	for _, list in ipairs(lists) do
		for _, node in ipairs(list) do
			if not known[node.name] then
				known[node.name] = true
				table.insert(nodes, math.random(#nodes + 1), node)
			end
		end
	end
	return nodes
end

local function random_connection(self)
	for _, node in ipairs(shuffled { self.startup_nodes, self.nodes }) do
		local ok, connection = pcall(connection_of, self, node)
		if ok then
			local alive, pong = pcall(answers, connection)
			if alive and pong then
				return connection
			end
			close_connection(self, node.name)
		end
	end
	error "Can't reach a single startup node."
end

local function slave_connection(self, node)
	for _, slave in ipairs(shuffled { node.slaves or {} }) do
		local ok, connection = pcall(connection_of, self, slave)
		if ok and (self.readonly[slave.name] == connection or pcall(connection.readonly, connection)) then
			self.readonly[slave.name] = connection
			return connection
		end
	end
end

local function connection_of_slot(self, slot)
	local node = self.slots[slot]
	if node == nil then
		return random_connection(self)
	end
	local ok, connection = pcall(connection_of, self, node)
	if ok then
		return connection
	end
	return self.opt.read_slave and slave_connection(self, node) or random_connection(self)
end

-- Commands

local WITHOUT_KEY = { info = true, multi = true, exec = true, slaveof = true, config = true, shutdown = true }

local function key_of_script(_, count, ...)
	local keys = { ... }
	local first = keys[1]
	for i = 2, tonumber(count) or 0 do
		if key_slot(keys[i]) ~= key_slot(first) then
			error("eval - all keys must map to the same key slot")
		end
	end
	return (tonumber(count) or 0) > 0 and first or nil
end

local function slot_of(cmd, ...)
	local name = tostring(cmd):lower()
	local key
	if name == "eval" or name == "evalsha" then
		key = key_of_script(...)
	elseif not WITHOUT_KEY[name] then
		key = ...
	end
	if type(key) ~= "string" then
		error("No way to dispatch this command to Redis Cluster: " .. tostring(cmd))
	end
	return key_slot(key)
end

local function run_asking(connection, cmd, ...)
	local answer = connection:pipeline({ { "asking" }, { cmd, ... } }, {})[2]
	if answer.ok then
		return answer.out
	end
	error(answer.out)
end

local function run(connection, cmd, ...)
	return connection[cmd](connection, ...)
end

-- What the node says about where the slot is.
local function redirection(text)
	local word, slot, host, port = text:match "^(%u+) (%d+) (.-):(%d+)$"
	if word == "MOVED" or word == "ASK" then
		return word, tonumber(slot), host, tonumber(port)
	end
end

-- One command until it has its answer. `way` says what the next try does otherwise.
local function try(self, slot, way, cmd, ...)
	local ok, connection = pcall(way.random and random_connection or connection_of_slot, self, slot)
	if not ok then
		error(plain(connection))
	end
	if way.asking then
		ok, connection = pcall(connection_of, self, way.asking)
		way.asking = nil
		if not ok then
			return false, connection
		end
		return pcall(run_asking, connection, cmd, ...)
	end
	way.random = nil
	return pcall(run, connection, cmd, ...)
end

local function call(self, cmd, ...)
	if self.refresh then
		self:initialize_slots_cache()
	end
	local slot = slot_of(cmd, ...)
	local way, last = {}, nil
	for count = 1, TRIES_MAX do
		local ok, result = try(self, slot, way, cmd, ...)
		if ok then
			return result
		elseif type(result) == "table" and result ~= LOST then
			error(result)
		end
		last = plain(result)
		local word, moved, host, port = redirection(last)
		if result == LOST then
			way.random = true
			if count > TRIES_MAX // 2 then
				skynet.sleep(PAUSE)
			end
		elseif word == "ASK" then
			way.asking = new_node(host, port)
		elseif word == "MOVED" then
			self.refresh = true
			self.slots[moved] = new_node(host, port)
		else
			error(last)
		end
	end
	error(string.format("Too many Cluster redirections?,maybe node is disconnected (last error: %q)", last))
end

---@param cmd string
---@param ... any  the key first
---@return any
function methods:call(cmd, ...)
	return call(self, cmd, ...)
end

-- Watching

local function watch_loop(self, name, watching)
	while self.watching[name] == watching do
		local message = table.pack(pcall(watching.message, watching))
		if message[1] then
			pcall(self.onmessage, table.unpack(message, 2, message.n))
		elseif self.watching[name] == watching then
			-- It connects by itself; not in a loop that never waits.
			skynet.sleep(PAUSE)
		end
	end
end

local function watch_of(self, key)
	local node = self.slots[key_slot(key)] or self.nodes[1] or self.startup_nodes[1]
	local watching = self.watching[node.name]
	if watching == nil then
		watching = redis.watch { host = node.host, port = node.port, auth = self.opt.auth, db = self.opt.db or 0 }
		self.watching[node.name] = watching
		skynet.fork(watch_loop, self, node.name, watching)
	end
	return watching
end

for _, name in ipairs { "subscribe", "unsubscribe", "psubscribe", "punsubscribe" } do
	methods[name] = function(self, key, ...)
		local watching = watch_of(self, key)
		return watching[name](watching, key, ...)
	end
end

-- The module

local meta = {
	__index = function(_, name)
		local f = methods[name]
		if f == nil and type(name) == "string" then
			f = function(self, ...) return call(self, name, ...) end
			methods[name] = f
		end
		return f
	end,
}

local cluster = {}

---@param nodes table  `{host=, port=}` or a list of them: whom to ask first
---@param opt table|nil  auth, db (0), max_connections (256), read_slave
---@param onmessage function|nil  gets what `watch:message` gives
---@return skynet.db.redis.Cluster
function cluster.new(nodes, opt, onmessage)
	local startup = {}
	for i, node in ipairs(nodes.host and { nodes } or nodes) do
		startup[i] = new_node(node.host, node.port)
	end
	opt = opt or {}
	local self = setmetatable({
		startup_nodes = startup,
		opt = opt,
		max_connections = opt.max_connections or CONNECTIONS_MAX,
		onmessage = onmessage or function() end,
		slots = {},
		nodes = {},
		connections = {},
		readonly = {},
		watching = {},
		refresh = false,
	}, meta)
	self:initialize_slots_cache()
	return self
end

return cluster
