-- Reads a snax file: which methods a service of that name has, and under which numbers.
--
-- The service runs its file to get the functions; every service that calls it runs the file too, to learn the
-- numbers, in an environment where nothing can happen. Numbers are the order of definition, so both agree as
-- long as both read the same file.

local skynet = require "skynet"

--- System methods, in the order of their numbers.
local SYSTEM = { "init", "exit", "hotfix", "profile" }

---@class snax.Method  also an array, as tools around hotfix expect: number, group, name, function
---@field [1] integer
---@field [2] "accept"|"response"|"system"
---@field [3] string
---@field [4] function|nil

-- The first file of the search path that loads; the others' errors are told only if none does.
local function search(path, name, env)
	local errors = {}
	for pattern in path:gmatch "[^;]+" do
		local file = pattern:gsub("?", function() return name end)
		local chunk, err = loadfile(file, "bt", env)
		if chunk then
			return chunk, pattern
		end
		errors[#errors + 1] = err
	end
	error(table.concat(errors, "\n"))
end

-- What `accept` and `response` are while the file runs: assignments to them become methods.
local function group(methods, kind)
	local defined = {}
	return setmetatable({}, {
		__newindex = function(_, name, f)
			if type(name) ~= "string" then
				error(kind .. " method only support string", 2)
			elseif type(f) ~= "function" then
				error(string.format("%s.%s must be function", kind, name), 2)
			elseif defined[name] then
				error(string.format("%s.%s duplicate definition", kind, name), 2)
			end
			defined[name] = true
			local number = #methods + 1
			methods[number] = { number, kind, name, f }
		end,
	})
end

-- Runs the file in `env`; what it makes of system methods goes to `methods`, other globals into `env` at the end.
local function run(chunk, env, methods)
	local system, globals = {}, {}
	for number, name in ipairs(SYSTEM) do
		methods[number] = { number, "system", name }
		system[name] = methods[number]
	end
	local visible = setmetatable({
		accept = group(methods, "accept"),
		response = group(methods, "response"),
	}, { __index = globals })

	local own = getmetatable(env)
	setmetatable(env, {
		__index = visible,
		__newindex = function(_, name, value)
			local method = system[name]
			if method == nil then
				globals[name] = value
			elseif type(value) == "function" then
				method[4] = value
			else
				error(name .. " must be a function", 2)
			end
		end,
	})
	local ok, err = pcall(chunk)
	setmetatable(env, own)
	if not ok then
		error(err, 0)
	end
	for name, value in pairs(globals) do
		env[name] = value
	end
end

---@param name string  of the snax service
---@param env table  globals for the file
---@param loader nil|fun(path: string, name: string, env: table): function, string  in place of the search
---@return snax.Method[] methods  by number
---@return string pattern  the part of the search path where the file was found
return function(name, env, loader)
	local path = assert(skynet.getenv "snax", "please set snax in config file")
	local chunk, pattern = (loader or search)(path, name, env)
	if chunk == nil then
		-- As calling nothing says it, and why there is nothing.
		error(string.format("attempt to call a nil value (%s)", pattern))
	end
	local methods = {}
	run(chunk, env, methods)
	return methods, pattern
end
