-- Replaces methods of a living snax service by functions compiled from a patch.
--
-- The patch is read like a service file. A local variable that it only declares (`local n`) is the service's
-- variable of that name: the upvalues are joined, so that the new function goes on where the old one was. One
-- that has a value stays the patch's own.

local read_interface = require "snax.interface"

---@class snax.Variable  a local variable of the service: upvalue `index` of `f`
---@field f function
---@field index integer
---@field id lightuserdata

-- name, value, index of each upvalue
local function upvalues(f)
	local index = 0
	return function()
		index = index + 1
		local name, value = debug.getupvalue(f, index)
		return name, value, index
	end
end

-- Which variable is the function's `_ENV`; nil when it uses no globals. Tells functions of one file from others.
local function globals_of(f)
	for name, _, index in upvalues(f) do
		if name == "_ENV" then
			return debug.upvalueid(f, index)
		end
	end
end

---@param found table<string, snax.Variable>
local function collect(found, f)
	for name, value, index in upvalues(f) do
		local id = debug.upvalueid(f, index)
		local known = found[name]
		if known == nil then
			found[name] = { f = f, index = index, id = id }
			if type(value) == "function" and globals_of(value) == globals_of(f) then
				collect(found, value)
			end
		elseif known.id ~= id then
			error("ambiguity local value " .. name)
		end
	end
end

-- The service's variables by name. A service without globals still has them for its patches.
local function variables_of(methods)
	local found = {}
	for _, method in pairs(methods) do
		if method[4] then
			collect(found, method[4])
		end
	end
	if found._ENV == nil then
		for name, _, index in upvalues(read_interface) do
			if name == "_ENV" then
				found._ENV = { f = read_interface, index = index }
			end
		end
	end
	return found
end

---@type table|nil the service's globals when it was patched first: what patches see at their top level
local copy

local function join(f, found, visited)
	if visited[f] then
		return
	end
	visited[f] = true
	for name, value, index in upvalues(f) do
		if value == nil or value == copy then
			local variable = found[name]
			if variable then
				debug.upvaluejoin(f, index, variable.f, variable.index)
			end
		elseif type(value) == "function" then
			join(value, found, visited)
		end
	end
end

local function find(methods, group, name)
	for _, method in pairs(methods) do
		if method[2] == group and method[3] == name then
			return method
		end
	end
	error(string.format("Patch mismatch %s.%s", group, name))
end

local function patch(methods, source, ...)
	if copy == nil then
		copy = {}
		for name, value in pairs(_ENV) do
			copy[name] = value
		end
	end
	local news = read_interface("patch", copy, function(_, _, env)
		return load(source, "=patch", "bt", env)
	end)
	local found = variables_of(methods)
	-- All or nothing: a name that is missing is told before the first method changes.
	local targets = {}
	for number, new in ipairs(news) do
		targets[number] = new[4] and find(methods, new[2], new[3])
	end
	local visited = {}
	for number, new in ipairs(news) do
		if new[4] then
			join(new[4], found, visited)
			targets[number][4] = new[4]
		end
	end
	local hotfix = find(news, "system", "hotfix")[4]
	if hotfix then
		return hotfix(...)
	end
end

---@param methods snax.Method[]  of the service; changed in place
---@param source string
---@param ... any  for the patch's `hotfix` function
---@return boolean ok
---@return any ...  results of the patch's `hotfix` function, or the error text
return function(methods, source, ...)
	return pcall(patch, methods, source, ...)
end
