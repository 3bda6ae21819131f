-- `.cslave` of a node that is alone (`harbor = 0`): global names, kept within the node.
--
-- The native `harbor` service delivers what is sent to global names; it learns them from here, in text messages
-- whose source is the named service.

local skynet = require "skynet"
require "skynet.manager"

---@type table<string, integer>
local addresses = {}
---@type table<string, function[]> answers of those that wait for a name
local waiting = {}
---@type integer the native service
local harbor

local CMD = {}

local function tell_harbor(name)
	skynet.redirect(harbor, addresses[name], "harbor", 0, "N " .. name)
end

function CMD.REGISTER(name, address)
	assert(addresses[name] == nil, "global name is taken")
	addresses[name] = address
	tell_harbor(name)
	local answers = waiting[name]
	waiting[name] = nil
	for _, answer in ipairs(answers or {}) do
		answer(true, address)
	end
end

function CMD.QUERYNAME(name)
	if name:byte() == 46 then -- "."
		skynet.retpack(skynet.localname(name) or nil)
	elseif addresses[name] then
		skynet.retpack(addresses[name])
	else
		waiting[name] = waiting[name] or {}
		table.insert(waiting[name], skynet.response())
	end
end

function CMD.LINK()
	skynet.ret()
end

function CMD.CONNECT()
	skynet.error "Can't connect to other harbor in single node mode"
	skynet.ignoreret()
end

skynet.register_protocol {
	name = "harbor",
	id = skynet.PTYPE_HARBOR,
	pack = function(...) return ... end,
	unpack = skynet.tostring,
}

-- From the native service: `Q name` asks for a name that it was sent a message for.
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(...) return ... end,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		local name = text:match "^Q (.*)$"
		if name and addresses[name] then
			tell_harbor(name)
		end
	end,
}

skynet.start(function()
	local id = tonumber(skynet.getenv "harbor" or 0)
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
	harbor = assert(skynet.launch("harbor", id, skynet.self()))
end)
