-- Runs a piece of code inside a living service, with a view of the service's own tables.
--
-- What a program keeps in local tables is reached through the functions that use them: `_P.lua.NAME` is the table
-- NAME among the upvalues of the `lua` dispatch function, or of a function among those. The code gets globals of
-- its own, so that what it sets does not stay behind.

-- Fills `found` with the tables among the upvalues of `f`, by name, through functions as well.
local function collect(f, found, visited)
	if visited[f] then
		return
	end
	visited[f] = true
	local i = 1
	local name, value = debug.getupvalue(f, i)
	while name do
		if type(value) == "table" then
			found[name] = value
		elseif type(value) == "function" then
			collect(value, found, visited)
		end
		i = i + 1
		name, value = debug.getupvalue(f, i)
	end
end

local function tables_of_protocols(proto)
	local all = {}
	for name, class in pairs(proto) do
		if type(name) == "string" and type(class.dispatch) == "function" then
			local found = {}
			collect(class.dispatch, found, {})
			all[name] = found
		end
	end
	return all
end

---@param skynet table
---@param source string  text or bytecode
---@param filename string|nil  chunk name; nil: `(load)`
---@param args table|nil  arguments, with `n`
---@param ... function  whose upvalues are shown as `_U`
---@return boolean ok
---@return any[] lines  what it printed; at the end the error, if there was one
local function inject(skynet, source, filename, args, ...)
	local lines = {}
	local function print(...)
		local words = {}
		for _, value in ipairs { ... } do
			words[#words + 1] = tostring(value)
		end
		lines[#lines + 1] = table.concat(words, "\t")
	end

	local upvalues, visited = {}, {}
	for i = 1, select("#", ...) do
		collect((select(i, ...)), upvalues, visited)
	end
	local env = { print = print, _U = upvalues, _P = tables_of_protocols(skynet._proto) }
	setmetatable(env, { __index = _ENV })

	local chunk, err = load(source, filename and "@" .. filename or "=(load)", "bt", env)
	if chunk == nil then
		return false, { err }
	end
	local ok
	if args then
		ok, err = pcall(chunk, table.unpack(args, 1, args.n))
	else
		ok, err = pcall(chunk)
	end
	if not ok then
		lines[#lines + 1] = err == nil and "<no error object>" or err
	end
	return ok, lines
end

return inject
