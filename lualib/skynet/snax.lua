-- snax: services whose methods are called by name, `obj.req.get(key)`, `obj.post.set(key, value)`.
--
-- An object stands for a service: an address and the name of its file, from which this side learns the methods'
-- numbers. On the wire a call is an ordinary message of type `snax`, number first. Objects cannot travel in
-- messages; `obj.handle` and `obj.type` can, and `snax.bind` makes them an object again.

local skynet = require "skynet"
local read_interface = require "snax.interface"

local call, send = skynet.call, skynet.send

local snax = {}

skynet.register_protocol {
	name = "snax",
	id = skynet.PTYPE_SNAX,
	pack = skynet.pack,
	unpack = skynet.unpack,
}

---@class snax.Interface
---@field name string
---@field accept table<string, integer>
---@field response table<string, integer>
---@field system table<string, integer>

---@class snax.Object
---@field type string      name of the file
---@field handle integer   address
---@field post table<string, function>  sends; nothing comes back
---@field req table<string, function>   calls; returns the results

---@type table<string, snax.Interface>
local interfaces = {}
---@type table|nil globals of the files this side reads; one table for all of them
local env

---What a service of that name understands.
---@param name string
---@return snax.Interface
function snax.interface(name)
	local interface = interfaces[name]
	if interface then
		return interface
	end
	assert(name ~= nil, "a snax service needs a name")
	if env == nil then
		local module = skynet.getenv "snax_interface_g"
		env = module and require(module) or { require = function() end }
	end
	interface = { name = name, accept = {}, response = {}, system = {} }
	for number, method in ipairs(read_interface(name, env)) do
		interface[method[2]][method[3]] = number
	end
	interfaces[name] = interface
	return interface
end

local object_meta = {
	__tostring = function(obj)
		return string.format("[%s:%x]", obj.type, obj.handle)
	end,
}

-- A table of functions made as they are used, one for each method of the group.
local function methods(numbers, make, what, name)
	return setmetatable({}, {
		__index = function(made, method)
			local number = numbers[method]
			if number == nil then
				error(string.format("%s %s:%s no exist", what, name, tostring(method)), 2)
			end
			local f = make(number)
			made[method] = f
			return f
		end,
	})
end

local function new_object(address, interface)
	local function post(number)
		return function(...)
			send(address, "snax", number, ...)
		end
	end
	local function req(number)
		return function(...)
			return call(address, "snax", number, ...)
		end
	end
	return setmetatable({
		type = interface.name,
		handle = address,
		post = methods(interface.accept, post, "post", interface.name),
		req = methods(interface.response, req, "request", interface.name),
	}, object_meta)
end

---@type table<integer, snax.Object>
local objects = setmetatable({}, { __mode = "v" })

---The object of a service; the same one for the same address. Whether the service exists is not looked at.
---@param handle integer
---@param name string
---@return snax.Object
function snax.bind(handle, name)
	local obj = objects[handle]
	if obj then
		assert(obj.type == name)
		return obj
	end
	obj = new_object(handle, snax.interface(name))
	objects[handle] = obj
	return obj
end

---Starts a service and calls its `init` with the arguments, packed like a message.
---@param name string
---@param ... any
---@return integer address
function snax.rawnewservice(name, ...)
	local interface = snax.interface(name)
	local address = skynet.newservice("snaxd", name)
	objects[address] = nil
	call(address, "snax", interface.system.init, ...)
	return address
end

---@param name string
---@param ... any  for `init`
---@return snax.Object
function snax.newservice(name, ...)
	return snax.bind(snax.rawnewservice(name, ...), name)
end

local function from_manager(cmd, name, ...)
	return snax.bind(assert(call(".service", "lua", cmd, "snaxd", name, ...)), name)
end

---The one service of that name in this node; the first caller's arguments start it.
---@param name string
---@param ... any
---@return snax.Object
function snax.uniqueservice(name, ...)
	return from_manager("LAUNCH", name, ...)
end

---The one service of that name in the network.
---@param name string
---@param ... any
---@return snax.Object
function snax.globalservice(name, ...)
	return from_manager("GLAUNCH", name, ...)
end

---Waits until somebody has called `uniqueservice`.
---@param name string
---@return snax.Object
function snax.queryservice(name)
	return from_manager("QUERY", name)
end

---Waits until somebody has called `globalservice`.
---@param name string
---@return snax.Object
function snax.queryglobal(name)
	return from_manager("GQUERY", name)
end

---Calls `exit` of the service, which then ends.
---@param obj snax.Object
---@param ... any  for `exit`
function snax.kill(obj, ...)
	call(obj.handle, "snax", snax.interface(obj.type).system.exit, ...)
end

---This service, which must be a snax service.
---@return snax.Object
function snax.self()
	return snax.bind(skynet.self(), SERVICE_NAME)
end

---Ends this service; does not come back.
---@param ... any  for `exit`
function snax.exit(...)
	snax.kill(snax.self(), ...)
end

local function patched(ok, ...)
	if not ok then
		error((...))
	end
	return ...
end

---Replaces methods of a living service by those that the source defines.
---@param obj snax.Object
---@param source string
---@param ... any  for the source's own `hotfix` function
---@return any ...  its results
function snax.hotfix(obj, source, ...)
	return patched(call(obj.handle, "snax", snax.interface(obj.type).system.hotfix, source, ...))
end

---Logs a formatted line.
---@param fmt string
---@param ... any
function snax.printf(fmt, ...)
	skynet.error(string.format(fmt, ...))
end

---How often each method was called and the CPU seconds it took.
---@param obj snax.Object
---@return table<string, { count: integer, time: number }>
function snax.profile_info(obj)
	return call(obj.handle, "snax", snax.interface(obj.type).system.profile)
end

return snax
