-- `clusterd`: which nodes there are and where, who calls them, who listens, and what the services here are called
-- by others.
--
-- Nothing of this is on a message's way: the native services `clustersender`, `clusterlistener`, `clusteragent` and
-- `clusterproxy` carry messages, started and told about changes from here.

local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.cluster.core"

local MAXCLIENT = 1024

-- `"host:port"`, or false for a node that is down.
---@type table<string, string|false>
local addresses = {}
-- All ever made; a node keeps its sender whatever its address.
---@type table<string, integer>
local senders = {}
-- Senders that have been connected to the present address once, or closed for a node that is down.
---@type table<string, true>
local settled = {}
-- Coroutines that wait while one connects.
---@type table<string, thread[]>
local connecting = {}
-- Nodes without an address, and who waits for it.
---@type table<string, thread>
local absent = {}
---@type integer[]
local listeners = {}
-- Names and ports that are listened on.
---@type table<string|integer, true>
local open = {}
-- The listener that `cluster_master` opened in place of the program, until the program opens it itself.
---@type string|nil
local opened_for_program
---@type table<string, integer> by `<node>.<address>`
local proxies = {}
-- Registered names; an address has one.
---@type table<string, integer>
local names = {}
---@type table<integer, string>
local name_of = {}

local nowaiting = false
local own_name = core.nodename()

-- Launch texts are words.
local function escape(text)
	return (tostring(text):gsub("[^!-$&-~]", function(c)
		return string.format("%%%02x", c:byte())
	end))
end

local function launch(...)
	return assert(skynet.launch(...), "cannot launch a cluster service")
end

-- Nodes and their senders

-- Blocks until the node has an address, unless that is not wanted.
local function address_of(node)
	local address = addresses[node]
	if address == nil and not nowaiting then
		skynet.error(string.format("Waiting for cluster node [%s]", node))
		local co = coroutine.running()
		absent[node] = co
		skynet.wait(co)
		absent[node] = nil
		address = addresses[node]
	end
	if address == nil then
		error(string.format("cluster node [%s] is absent.", node), 0)
	end
	return address
end

-- nil: the node is down and never had a sender.
local function try_connect(node)
	local address = address_of(node)
	local sender = senders[node]
	if not sender then
		if not address then
			return nil
		end
		sender = launch("clustersender", escape(node), escape(own_name), escape(address))
		senders[node] = sender
	end
	local ok = pcall(skynet.call, sender, "lua", "changenode", address)
	if addresses[node] ~= address then
		return try_connect(node)
	end
	if not ok then
		error(string.format("changenode [%s] (%s) failed", node, address), 0)
	end
	settled[node] = true
	return sender
end

-- Connects, once however many want it at a time; raises when it fails.
local function connect(node)
	while connecting[node] do
		local waiting = connecting[node]
		local co = coroutine.running()
		waiting[#waiting + 1] = co
		skynet.wait(co)
		if waiting.failure then
			error(waiting.failure, 0)
		end
		if waiting.sender or settled[node] or addresses[node] == false then
			return waiting.sender
		end
	end
	if settled[node] then
		return senders[node]
	end
	local waiting = {}
	connecting[node] = waiting
	local ok, result = pcall(try_connect, node)
	connecting[node] = nil
	waiting[ok and "sender" or "failure"] = result
	for _, co in ipairs(waiting) do
		skynet.wakeup(co)
	end
	if not ok then
		error(result, 0)
	end
	return result
end

-- The node table

local function set_option(name, value)
	skynet.error(string.format("Config %s = %s", name, value))
	if name == "nowaiting" then
		nowaiting = value
		if nowaiting then
			for _, co in pairs(absent) do
				skynet.wakeup(co)
			end
		end
	end
end

-- True: its sender must hear of it.
local function set_address(node, address)
	assert(address == false or type(address) == "string", "the address of a node is \"host:port\" or false")
	if addresses[node] == address then
		return false
	end
	addresses[node] = address
	settled[node] = nil
	local waiting = absent[node]
	if waiting then
		skynet.error(string.format("Cluster node [%s] resolved : %s", node, address))
		skynet.wakeup(waiting)
	end
	return senders[node] ~= nil
end

local function read_table()
	local path = skynet.getenv "cluster"
	if not path then
		return {}
	end
	local file = assert(io.open(path, "rb"))
	local source = file:read "a"
	file:close()
	local nodes = {}
	assert(load(source, "@" .. path, "t", nodes))()
	return nodes
end

-- Changes are on their way to the senders when it returns, connections are not.
local function merge(nodes)
	local changed = {}
	local ok, failure = pcall(function()
		for node, value in pairs(nodes) do
			local option = type(node) == "string" and node:match "^__(.*)"
			if option then
				set_option(option, value)
			elseif set_address(node, value) then
				changed[#changed + 1] = node
			end
		end
	end)
	for _, node in ipairs(changed) do
		-- Not by `connect`: one that is under way sees the change by itself.
		if not connecting[node] then
			skynet.fork(connect, node)
		elseif senders[node] then
			-- It learns of it when the try under way has ended; what waits at the old address need not wait for that.
			skynet.send(senders[node], "lua", "changenode", addresses[node])
		end
	end
	if changed[1] then
		skynet.yield()
	end
	if not ok then
		error(failure, 0)
	end
end

local CMD = {}

function CMD.reload(_, nodes)
	merge(nodes or read_table())
	skynet.ret()
end

---@param node string
function CMD.sender(_, node)
	-- The second one: it takes `call` and `send`.
	skynet.retpack(connect(node), true)
end

function CMD.senders()
	skynet.retpack(senders)
end

-- Listening

local function split(address)
	local host, port = address:match "^%[?(.-)%]?:([^:]*)$"
	assert(host, "the address of a node is \"host:port\"")
	return host, port
end

-- The real host and port.
local function listen(host, port, maxclient)
	local listener = launch("clusterlistener", skynet.self(), maxclient or MAXCLIENT, escape(host), port)
	listeners[#listeners + 1] = listener
	local real_host, real_port = skynet.call(listener, "lua", "address")
	open[math.tointeger(real_port)] = true
	return real_host, real_port
end

local function listen_by_name(name, maxclient)
	local address = assert(addresses[name], tostring(name) .. " is down")
	local host, port = split(address)
	skynet.error(string.format("Listen on %s nil", address))
	listen(host, port, maxclient)
	open[name] = true
end

function CMD.listen(_, addr, port, maxclient)
	if port == nil then
		if opened_for_program == addr then
			-- It is what the program wants.
			opened_for_program = nil
		else
			listen_by_name(addr, maxclient)
		end
		return skynet.retpack(addr, nil)
	end
	skynet.error(string.format("Listen on %s %s", addr, port))
	skynet.retpack(listen(addr, port, maxclient))
end

-- The own listener of a fleet's node, unless the program has it open already, by its name or by its port.
function CMD.open_own(_, name)
	local _, port = split(assert(addresses[name], tostring(name) .. " is down"))
	if not open[name] and not open[math.tointeger(port)] then
		listen_by_name(name)
		opened_for_program = name
	end
	skynet.ret()
end

-- A copy of the node table.
function CMD.list_server()
	skynet.retpack(addresses)
end

-- Registered names

local function forget(name)
	name_of[names[name]] = nil
	names[name] = nil
	for _, listener in ipairs(listeners) do
		skynet.send(listener, "lua", "namechange")
	end
end

function CMD.register(_, name, address)
	assert(names[name] == nil, "the name is taken")
	local before = name_of[address]
	if before then
		forget(before)
	end
	names[name] = address
	name_of[address] = name
	skynet.ret()
	skynet.error(string.format("Register [%s] :%08x", name, address))
end

function CMD.unregister(_, name)
	local address = names[name]
	if address then
		forget(name)
	end
	skynet.ret()
	if address then
		skynet.error(string.format("Unregister [%s] :%08x", name, address))
	end
end

function CMD.queryname(_, name)
	skynet.retpack(names[name])
end

-- Proxies

function CMD.proxy(_, node, address)
	if address == nil then
		local text = node
		node, address = tostring(text):match "^([^@.]+)([@.].+)$"
		if not node then
			error("Invalid name " .. tostring(text), 0)
		end
	end
	address = tostring(math.tointeger(address) or address)
	local key = node .. "." .. address
	if not proxies[key] then
		local sender = connect(node)
		assert(sender, "the node is down")
		-- Another request may have made it meanwhile.
		proxies[key] = proxies[key] or launch("clusterproxy", sender, escape(node), escape(address))
	end
	skynet.retpack(proxies[key])
end

skynet.start(function()
	merge(read_table())
	skynet.dispatch("lua", function(_, source, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(source, ...)
	end)
end)
