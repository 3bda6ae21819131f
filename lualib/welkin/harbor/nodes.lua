-- The other nodes of a harbor network: who is connected, and how connections come about. Part of service/cslave.lua.
--
-- The older of two nodes connects to the newer one. So a node that joins takes a connection from each node that is
-- there, and connects to each that comes later. A connection is opened here and then handed over to the native
-- service `harbor`, which messages go through.
--
-- A node that was lost is not connected again unless `welkin_harbor_rejoin` is set.

local skynet = require "skynet"
local socket = require "skynet.socket"
local control = require "welkin.harbor.control"

local own_id = tonumber(skynet.getenv "harbor")
local rejoin = skynet.getenv "welkin_harbor_rejoin" == "true"

---@type integer the native service
local harbor
---@type table<integer, boolean> harbor id -> connected now; nil: never seen
local connected = {}
---@type table<integer, function[]> harbor id -> answers of those that wait for a change
local watchers = {}

-- While this node joins.
---@type table<integer, string>|nil harbor id -> address of later nodes, nil once this one has joined
local later = {}
---@type table<integer, true>|nil nodes that this one need not wait for any more; nil once it has joined
local counted = {}
---@type table<integer, true> connections that have not said their id
local greeting = {}

local nodes = {}

local function count_in(id)
	if counted then
		counted[id] = true
		skynet.wakeup(counted)
	end
end

local function wake_watchers(id)
	local answers = watchers[id]
	watchers[id] = nil
	for _, answer in ipairs(answers or {}) do
		answer(true)
	end
end

-- Takes a connection out of this service, to the native one.
local function hand_over(fd, id, how)
	connected[id] = true
	socket.abandon(fd)
	skynet.send(harbor, "harbor", string.format("%s %d %d", how, fd, id))
	wake_watchers(id)
end

local function may_connect(id)
	local known = connected[id]
	return known == nil or (known == false and rejoin)
end

local function connect(id, address)
	if id == own_id or not may_connect(id) then
		return
	end
	connected[id] = false -- as long as it is being connected, nobody else shall try
	local fd, err = socket.open(address)
	if not fd then
		skynet.error(string.format("Can't connect to %s (%s)", address, tostring(err)))
	elseif connected[id] then
		socket.close(fd)
	else
		skynet.error(string.format("Connect to harbor %d (fd=%d), %s", id, fd, address))
		hand_over(fd, id, "S")
	end
end

-- What is wrong with the first bytes of a connection from an older node, which are its id and nothing else: it waits
-- for ours then.
local function refusal(text, fd)
	if not text then
		return string.format("Connection (fd =%d) closed", fd)
	end
	local id = text:byte()
	if #text > 1 or id == 0 or id == own_id then
		return string.format("Invalid slave id %d (fd =%d)", id, fd)
	elseif not may_connect(id) then
		return string.format("Slave %d exist (fd =%d)", id, fd)
	end
end

---Takes a connection from an older node.
---@param fd integer
---@param from string
function nodes.accept(fd, from)
	skynet.error(string.format("New connection (fd = %d, %s)", fd, from))
	if not socket.start(fd) then
		return
	end
	greeting[fd] = true
	control.limit_silence(fd, function()
		return not greeting[fd]
	end)
	local text = socket.read(fd)
	greeting[fd] = nil
	local why = refusal(text, fd)
	if why then
		skynet.error(why)
		socket.close(fd)
		return
	end
	local id = text:byte()
	skynet.error(string.format("Harbor %d connected (fd = %d)", id, fd))
	hand_over(fd, id, "A")
	count_in(id)
end

---A later node has come, as the master says.
---@param id integer
---@param address string
function nodes.come(id, address)
	if later then
		later[id] = address
	else
		skynet.fork(connect, id, address)
	end
end

---A node has gone, as the master says. Its connection may live on.
---@param id integer
function nodes.go(id)
	if later and later[id] then
		later[id] = nil
	else
		count_in(id)
	end
	if not connected[id] then
		skynet.send(harbor, "harbor", "D " .. id)
	end
	connected[id] = false
	wake_watchers(id)
end

---A connection is lost, as the native service says. While this node joins it may have been a stranger's: the node of
---that id may still come.
---@param id integer
function nodes.lose(id)
	if not connected[id] then
		return
	end
	connected[id] = false
	if counted then
		connected[id] = nil
		counted[id] = nil
	end
	wake_watchers(id)
end

---@param id any
---@return boolean
function nodes.is_connected(id)
	return connected[id] == true
end

---Answers the present request when the node is connected, or is not any more.
---@param id any
function nodes.watch(id)
	local answers = watchers[id] or {}
	watchers[id] = answers
	answers[#answers + 1] = skynet.response()
end

---@param native integer  the service that connections are handed over to
function nodes.begin(native)
	harbor = native
end

-- From here on later nodes are connected to.
local function joined(listener)
	counted = nil
	if not rejoin then
		socket.close(listener)
		for fd in pairs(greeting) do
			socket.shutdown(fd)
		end
	end
	skynet.error "Shakehand ready"
	for id, address in pairs(later) do
		skynet.fork(connect, id, address)
	end
	later = nil
end

local function count_all()
	local count = 0
	for _ in pairs(counted) do
		count = count + 1
	end
	return count
end

---Waits until `count` older nodes have connected, or gone.
---@param listener integer
---@param count integer
function nodes.join(listener, count)
	if count > 0 or rejoin then
		socket.start(listener, nodes.accept)
	end
	while count_all() < count do
		skynet.wait(counted)
	end
	joined(listener)
end

return nodes
