-- Services made from a function of the calling program, one a name in this node.
--
-- The function travels as bytecode: it keeps nothing of its surroundings but the globals, which is why it may
-- have no upvalue besides `_ENV`.

local skynet = require "skynet"
require "skynet.manager"

local service = {}

---@type table<string, integer> what was found once is believed until this service closes it
local known = {}

local function provider(cmd, ...)
	local address = skynet.uniqueservice "service_provider"
	return skynet.call(address, "lua", cmd, ...)
end

local function check(f)
	assert(type(f) == "function")
	local name = debug.getupvalue(f, 1)
	assert(name == "_ENV" and debug.getinfo(f, "u").nups == 1)
end

---Starts `mainfunc(...)` as a service, or finds the one of that name.
---@param name string
---@param mainfunc function|nil  not needed when the name exists
---@param ... any  arguments, packed like a message
---@return integer address
function service.new(name, mainfunc, ...)
	local address, starting = provider("test", name)
	if address == nil then
		if starting then
			address = provider("query", name)
		else
			check(mainfunc)
			address = provider("launch", name, string.dump(mainfunc), ...)
		end
	end
	known[name] = address
	return address
end

---Waits until somebody has made the service.
---@param name string
---@return integer address
function service.query(name)
	local address = known[name]
	if address == nil then
		address = provider("query", name)
		known[name] = address
	end
	return address
end

---Ends the service at once and forgets its name, or a failure kept under it.
---@param name string
---@return boolean closed  true when a running one was ended
function service.close(name)
	known[name] = nil
	local address = provider("close", name)
	if address == nil then
		return false
	end
	skynet.kill(address)
	return true
end

return service
