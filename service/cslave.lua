-- `.cslave` of a node in a harbor network: the connection to the master, and what services ask about names and nodes.
--
-- It joins when it starts: it listens, says hello to the master (service/cmaster.lua) and waits for the nodes that are
-- there. Names are kept by welkin.harbor.names, the other nodes by welkin.harbor.nodes; the packages to and from the
-- master, and the limits, are those of welkin.harbor.control.
--
-- A master that is lost is not looked for unless `welkin_harbor_rejoin` is set: then this node tries again, and tells
-- the new master its names.

local skynet = require "skynet"
local socket = require "skynet.socket"
local control = require "welkin.harbor.control"
local names = require "welkin.harbor.names"
local nodes = require "welkin.harbor.nodes"
require "skynet.manager"

local RETRY_TICKS = 100 -- hundredths of a second between two looks for the master

local package = control.package
local own_id = tonumber(skynet.getenv "harbor")
local rejoin = skynet.getenv "welkin_harbor_rejoin" == "true"

---@type function[] answers of those that wait for the end of the master
local watchers = {}
---@type integer|nil  nil: the master is lost
local master
---@type integer the native service
local harbor

local function tell_master(...)
	local text = package(...)
	if master then
		socket.write(master, text)
	end
end

-- The native service sends what waited for the name.
local function tell_name(name)
	skynet.redirect(harbor, names.find(name), "harbor", 0, "N " .. name)
end

local function learn(name, address)
	if names.learn(name, address) then
		tell_name(name)
	end
end

-- From the master

local master_says = {}

function master_says.N(name, address)
	if type(name) == "string" and math.type(address) == "integer" then
		learn(name, address)
	end
end

function master_says.C(id, address)
	if control.is_id(id) and type(address) == "string" then
		nodes.come(id, address)
	end
end

function master_says.D(id)
	if control.is_id(id) then
		nodes.go(id)
	end
end

local function serve_master()
	while true do
		local word, first, second = control.read(master)
		local f = master_says[word]
		if f then
			f(first, second)
		else
			skynet.error("Invalid master message type " .. tostring(word))
		end
	end
end

-- Says hello; how many nodes will connect.
local function greet_master(fd)
	socket.write(fd, package("H", own_id, skynet.getenv "address"))
	local word, count = control.read(fd)
	assert(word == "W" and math.type(count) == "integer", "slave shakehand failed")
	return count
end

-- A master that is new, or has forgotten this node, gets its hello and its names.
local function find_master(address)
	while true do
		skynet.sleep(RETRY_TICKS)
		local fd = socket.open(address)
		if fd and pcall(greet_master, fd) then
			master = fd
			skynet.error "Master found again"
			for name, service in pairs(names.of_node(own_id)) do
				tell_master("R", name, service)
			end
			return
		end
		if fd then
			socket.close(fd)
		end
	end
end

local function watch_master(address)
	repeat
		local _, why = pcall(serve_master)
		if not control.is_end(why) then
			skynet.error("error: the connection to the master is cut off: " .. tostring(why))
		end
		skynet.error "Master disconnect"
		socket.close(master)
		master = nil
		local answers = watchers
		watchers = {}
		for _, answer in ipairs(answers) do
			answer(true)
		end
		if rejoin then
			find_master(address)
		end
	until not rejoin
end

-- From services

local CMD = {}

function CMD.REGISTER(name, address)
	assert(names.find(name) == nil)
	assert(type(name) == "string" and math.type(address) == "integer")
	local news = package("R", name, address)
	learn(name, address)
	if master then
		socket.write(master, news)
	end
end

function CMD.QUERYNAME(name)
	if name:byte() == 46 then -- "."
		skynet.retpack(skynet.localname(name) or nil)
		return
	end
	local address = names.find(name)
	if address then
		skynet.retpack(address)
	else
		tell_master("Q", name)
		names.wait(name)
	end
end

function CMD.LINK(id)
	if nodes.is_connected(id) then
		nodes.watch(id)
	else
		skynet.ret()
	end
end

function CMD.CONNECT(id)
	if nodes.is_connected(id) then
		skynet.ret()
	else
		nodes.watch(id)
	end
end

function CMD.LINKMASTER()
	watchers[#watchers + 1] = skynet.response()
end

-- From the native service: somebody sends to a name that is not known; a connection is lost.

local TEXT = {}

function TEXT.Q(name)
	if names.find(name) then
		tell_name(name)
	else
		tell_master("Q", name)
	end
end

function TEXT.D(id)
	nodes.lose(tonumber(id))
end

skynet.register_protocol {
	name = "harbor",
	id = skynet.PTYPE_HARBOR,
	pack = function(...) return ... end,
	unpack = skynet.tostring,
}

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(...) return ... end,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		local f = TEXT[text:sub(1, 1)]
		if f then
			f(text:sub(3))
		end
	end,
}

-- A config key of a node that is in a network.
local function needed(key)
	local value = skynet.getenv(key)
	if value == nil then
		skynet.error(string.format("error: config key %s is not set: harbor = %d makes this node one of a harbor "
			.. "network. A node that is alone has harbor = 0, which is not the default", key, own_id))
	end
	return assert(value)
end

skynet.start(function()
	local listener = socket.listen((needed "address"))
	local master_address = needed "master"
	skynet.error("slave connect to master " .. master_address)
	local fd = assert(socket.open(master_address), "Can't connect to master")
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
	harbor = assert(skynet.launch("harbor", own_id, skynet.self()))
	nodes.begin(harbor)
	local count = greet_master(fd)
	master = fd
	skynet.error(string.format("Waiting for %d harbors", count))
	skynet.fork(watch_master, master_address)
	nodes.join(listener, count)
end)
