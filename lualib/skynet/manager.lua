-- What only a few services need of `skynet`: starting, naming and ending others, and taking over a service's messages.
--
-- Requiring this module adds its functions to the `skynet` table and returns that table.

local skynet = require "skynet"
local core = require "skynet.core"

---Starts a native module. Does not wait for a Lua service to be ready, and the launcher does not list it.
---@param ... string|number  module name and arguments
---@return integer|nil address
function skynet.launch(...)
	return core.addresscommand("LAUNCH", table.concat({ ... }, " "))
end

---Ends a service at once. An unknown one: nothing happens.
---@param name integer|string  address, `":hex"` or `".name"`
function skynet.kill(name)
	local address
	if type(name) == "number" then
		address = name
		name = string.format(":%x", name)
	else
		address = tonumber(name:match "^:(%x+)" or "", 16)
	end
	if address then
		skynet.send(".launcher", "lua", "REMOVE", address, true)
	end
	core.command("KILL", name)
end

---Ends all services and so the node.
function skynet.abort()
	core.command "ABORT"
end

-- A global name is known to all nodes of a harbor network; true when it was one and has been registered.
local function register_global(name, address)
	if name:byte() == 46 then -- "."
		return false
	end
	assert(#name < 16 and name:byte() ~= 58 and tonumber(name) == nil) -- ":"
	skynet.send(".cslave", "lua", "REGISTER", name, address)
	return true
end

---Gives this service a name. A name that is taken stays with its first holder.
---@param name string  `".name"` in this node, else a global one
function skynet.register(name)
	if not register_global(name, skynet.self()) then
		core.command("REG", name)
	end
end

---Gives another service a name.
---@param name string
---@param address integer
function skynet.name(name, address)
	if not register_global(name, address) then
		core.command("NAME", name .. " " .. skynet.address(address))
	end
end

local function start_later(start_func)
	skynet.timeout(0, function()
		skynet.init_service(start_func)
	end)
end

---In place of `skynet.start`: messages of some types are handled as another type, and their memory is left to the handler.
---@param map table<integer, integer>  message type -> type it is handled as
---@param start_func function
function skynet.forward_type(map, start_func)
	local dispatch = skynet.dispatch_message
	core.callback(function(kind, msg, sz, session, source)
		local target = map[kind]
		if target then
			return dispatch(target, msg, sz, session, source)
		end
		local ok, err = pcall(dispatch, kind, msg, sz, session, source)
		core.trash(msg, sz)
		if not ok then
			error(err, 0)
		end
	end, true)
	start_later(start_func)
end

---In place of `skynet.start`: `f` sees every message, responses too, and returns the one to be handled.
---@param f fun(kind: integer, msg: lightuserdata, sz: integer, session: integer, source: integer): ...
---@param start_func function
function skynet.filter(f, start_func)
	local dispatch = skynet.dispatch_message
	core.callback(function(...)
		dispatch(f(...))
	end)
	start_later(start_func)
end

---Lets a global unique service know of every service that ends.
---@param service string
---@param query boolean|nil  true: it exists already
---@return integer address  of that service
function skynet.monitor(service, query)
	local monitor
	if query then
		monitor = skynet.queryservice(true, service)
	else
		monitor = skynet.uniqueservice(true, service)
	end
	assert(monitor, "Monitor launch failed")
	core.command("MONITOR", skynet.address(monitor))
	return monitor
end

return skynet
