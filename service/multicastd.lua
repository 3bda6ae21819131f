-- The manager of a node's channels: who has subscribed, and the way of what is published to them.
--
-- A channel belongs to the node that made it, which the low byte of its id names. All that is published goes to the
-- manager there, and from there to its own subscribers and to the manager of each node that has some. What is
-- published itself is native (`skynet.multicast.core`): it comes with a request or as a message of another manager,
-- and leaves with the messages that are sent while that one is in work.
--
-- What managers ask each other is skynet's: SUBR, USUBR, DEL and DELR, and messages of type MULTICAST with the
-- channel as their session and the publisher as their source.

local skynet = require "skynet"
local datacenter = require "skynet.datacenter"
local queue = require "skynet.queue"
local core = require "skynet.multicast.core"

local harbor = skynet.harbor(skynet.self())

---@type table<integer, table<integer, true>> channel -> its subscribers in this node; of foreign channels those with some
local groups = {}
---@type table<integer, table<integer, integer>> channel of this node -> node -> its manager
local remote = {}
---@type table<integer, integer> node -> its manager
local managers = {}
---@type table<integer, integer> foreign channel -> subscribers that wait for its manager
local joining = {}

local next_id = harbor

-- Who waits for the address of a manager goes on in the order of arrival, as what they publish shall.
local in_turn = queue()

local function home_of(channel)
	return channel & 0xff
end

local function manager_of(node)
	if managers[node] == nil then
		in_turn(function()
			managers[node] = managers[node] or datacenter.get("multicast", node)
		end)
	end
	return assert(managers[node], "the node of this channel is not connected, or has no multicast manager")
end

-- Nobody here subscribes to a foreign channel any more.
local function leave(channel)
	local home = home_of(channel)
	if home ~= harbor and not joining[channel] then
		groups[channel] = nil
		skynet.send(manager_of(home), "lua", "USUBR", channel)
	end
end

local function publish(channel, source)
	local group = groups[channel]
	if group and not core.spread(group, channel, source) then
		leave(channel)
	end
	for _, manager in pairs(remote[channel] or {}) do
		core.send(manager, channel, source)
	end
end

-- Has the manager of a foreign channel send to this node; false when there is no such channel.
local function join(channel)
	local home = home_of(channel)
	joining[channel] = (joining[channel] or 0) + 1
	local ok, absent = pcall(function()
		return skynet.call(manager_of(home), "lua", "SUBR", channel)
	end)
	joining[channel] = joining[channel] > 1 and joining[channel] - 1 or nil
	if not ok then
		-- The node may be back with another manager.
		managers[home] = nil
		error(absent, 0)
	end
	return not absent
end

local CMD = {}

function CMD.NEW()
	while groups[next_id] do
		next_id = core.nextid(next_id)
	end
	local id = next_id
	next_id = core.nextid(id)
	groups[id] = {}
	return id
end

function CMD.DEL(_, channel)
	local home = home_of(channel)
	if home ~= harbor then
		skynet.send(manager_of(home), "lua", "DEL", channel)
		return
	end
	local nodes = remote[channel] or {}
	groups[channel], remote[channel] = nil, nil
	for _, manager in pairs(nodes) do
		skynet.send(manager, "lua", "DELR", channel)
	end
end

-- The node of a foreign channel says that it is gone.
function CMD.DELR(_, channel)
	groups[channel] = nil
end

function CMD.PUB(source, channel)
	local home = home_of(channel)
	if home == harbor then
		publish(channel, source)
	elseif managers[home] then
		core.send(managers[home], channel, source)
	else
		-- Another message is in work after the wait.
		local kept = core.keep()
		core.send(manager_of(home), channel, source, kept)
	end
end

function CMD.SUB(source, channel)
	local foreign = home_of(channel) ~= harbor
	if foreign and (groups[channel] == nil or next(groups[channel]) == nil) then
		if join(channel) and groups[channel] == nil then
			groups[channel] = {}
		end
	end
	if groups[channel] then
		groups[channel][source] = true
	end
end

-- `ended`: the service unsubscribes because it ends, and cannot know what became of the channel.
function CMD.USUB(source, channel, ended)
	local group = groups[channel]
	if group == nil and ended then
		return
	end
	assert(group)[source] = nil
	if next(group) == nil then
		leave(channel)
	end
end

-- Another node has subscribers to a channel of this one. True: there is no such channel.
function CMD.SUBR(source, channel)
	local node = skynet.harbor(source)
	assert(node ~= harbor and home_of(channel) == harbor, "this channel is another node's")
	managers[node] = source
	if groups[channel] == nil then
		return true
	end
	remote[channel] = remote[channel] or {}
	remote[channel][node] = source
end

function CMD.USUBR(source, channel)
	local nodes = remote[channel]
	if nodes then
		nodes[skynet.harbor(source)] = nil
		if next(nodes) == nil then
			remote[channel] = nil
		end
	end
end

skynet.register_protocol {
	name = "multicast",
	id = skynet.PTYPE_MULTICAST,
	unpack = core.received,
	dispatch = function(channel, source)
		skynet.ignoreret()
		publish(channel, source)
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function(session, source, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		if session == 0 then
			f(source, ...)
		else
			skynet.retpack(f(source, ...))
		end
	end)
	datacenter.set("multicast", harbor, skynet.self())
end)
