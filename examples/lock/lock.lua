-- Gives each resource to one service at a time.
--
-- The pattern: who can have it is answered at once with `skynet.ret`; the answer to who must wait is kept by
-- `skynet.response` and sent later. So a caller sees an ordinary call that takes a while. A holder that ends
-- or is killed cannot give anything back, so this service has the node tell it of every service that ends
-- (`skynet.monitor` in main.lua).

local skynet = require "skynet"

---@class Resource
---@field holder integer|nil  address
---@field line table[]        {address =, answer =} of those that wait, in order

---@type table<string, Resource>
local resources = {}

local function pass_on(resource)
	resource.holder = nil
	while resource.line[1] do
		local next_one = table.remove(resource.line, 1)
		resource.holder = next_one.address
		-- False: it has ended while it waited. Then the one behind it is next.
		if next_one.answer(true) then
			return
		end
		resource.holder = nil
	end
end

local function forget(address)
	for _, resource in pairs(resources) do
		if resource.holder == address then
			skynet.error(skynet.address(address), "has ended and gives back what it held")
			pass_on(resource)
		end
	end
end

local CMD = {}

function CMD.acquire(source, name)
	local resource = resources[name]
	if resource == nil then
		resource = { line = {} }
		resources[name] = resource
	end
	assert(resource.holder ~= source, "it is yours already")
	if resource.holder then
		table.insert(resource.line, { address = source, answer = skynet.response() })
	else
		resource.holder = source
		skynet.ret()
	end
end

function CMD.release(source, name)
	local resource = resources[name]
	assert(resource and resource.holder == source, "it is not yours")
	pass_on(resource)
	skynet.ret()
end

-- Comes without text, from the service that has ended.
skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = function() end,
	dispatch = function(_, address)
		forget(address)
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function(_, source, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(source, ...)
	end)
end)
