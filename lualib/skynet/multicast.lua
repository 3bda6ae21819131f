-- Channels: what one service publishes reaches all that have subscribed, here and in other nodes of the network.
--
-- The manager `multicastd` knows the subscribers; this is the side of programs. Messages of a channel are of the type
-- MULTICAST, with the channel's id as their session and the publisher as their source.

local skynet = require "skynet"
local core = require "skynet.multicast.core"

local multicast = {}

---@type integer
local manager

---@type table<integer, multicast.Channel> id -> the object that receives. Who has unsubscribed stays as long as the
---program has it: what is still under way to it is dropped without a word.
local known = setmetatable({}, { __mode = "v" })
---@type table<multicast.Channel, true> who has subscribed is kept; at the end of the service all unsubscribe
local subscribed = setmetatable({}, {
	__gc = function(all)
		for object in pairs(all) do
			skynet.send(manager, "lua", "USUB", object.channel, true)
		end
	end,
})

---@class multicast.Channel
---@field channel integer|nil  the id, which may be passed to other services; nil after `delete`
---@field __subscribe boolean|nil
local Channel = {}

local meta = { __index = Channel }

function meta:__tostring()
	return string.format("[Multicast:%x]", self.channel)
end

---Sends the values to all subscribers; returns when the manager has sent them on.
---@param ... any
function Channel:publish(...)
	core.publish(manager, assert(self.channel), self.__pack(...))
end

---What is published from now on is received, by this object alone of those of the channel in this service.
function Channel:subscribe()
	local channel = assert(self.channel)
	if self.__subscribe then
		return
	end
	skynet.call(manager, "lua", "SUB", channel)
	known[channel] = self
	subscribed[self] = true
	self.__subscribe = true
end

---Nothing is received from now on, by no object of this channel in this service.
function Channel:unsubscribe()
	if self.__subscribe then
		skynet.send(manager, "lua", "USUB", self.channel)
		subscribed[self] = nil
		self.__subscribe = nil
	end
end

---Ends the channel, for everybody.
function Channel:delete()
	skynet.send(manager, "lua", "DEL", assert(self.channel))
	subscribed[self] = nil
	self.channel, self.__subscribe = nil, nil
end

---@class multicast.Options
---@field channel integer|nil  id of a channel that exists; absent: a new one is made
---@field dispatch fun(channel: multicast.Channel, source: integer, ...: any)|nil
---@field pack function|nil  as `skynet.pack`
---@field unpack function|nil  as `skynet.unpack`; the pointer is good for the call only

---@param options multicast.Options|nil
---@return multicast.Channel
function multicast.new(options)
	options = options or {}
	local channel = options.channel or skynet.call(manager, "lua", "NEW")
	return setmetatable({
		channel = channel,
		__pack = options.pack or skynet.pack,
		__unpack = options.unpack or skynet.unpack,
		__dispatch = options.dispatch,
	}, meta)
end

local function receive(channel, source, msg, size)
	-- The session is no session.
	skynet.ignoreret()
	local object = known[channel]
	if object == nil then
		error("a message of a channel that is not subscribed to here: " .. channel)
	end
	if object.__subscribe then
		object.__dispatch(object, source, object.__unpack(msg, size))
	end
end

skynet.register_protocol {
	name = "multicast",
	id = skynet.PTYPE_MULTICAST,
	unpack = core.received,
	dispatch = receive,
}

skynet.init(function()
	manager = skynet.uniqueservice "multicastd"
end)

return multicast
