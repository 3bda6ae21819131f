-- Runs source as if it were written inside a function that is running, with its locals, upvalues and `...`.
--
-- The source becomes a function whose upvalues have the names it uses. Those that are upvalues of the target are
-- joined with the target's; locals are copied in, and back when the source has ended without error. Only names
-- that occur in the source are looked at, so a target with any number of locals will do.

local getinfo, getlocal, setlocal = debug.getinfo, debug.getlocal, debug.setlocal

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function global goto if in local nil not or repeat return then
	true until while]]):gmatch "%a+" do
	KEYWORDS[word] = true
end

-- Names in the source that could mean something of the target, in no order. Strings and comments are not told
-- apart: a name too many does no harm.
local function names_of(source)
	local names, seen = {}, {}
	for name in source:gmatch "[%a_][%w_]*" do
		if not seen[name] and not KEYWORDS[name] and name ~= "_ENV" then
			seen[name] = true
			names[#names + 1] = name
		end
	end
	return names, seen
end

-- name -> index of the upvalue in `f`
local function upvalues_of(f)
	local found = {}
	local i = 1
	local name = debug.getupvalue(f, i)
	while name do
		found[name] = i
		i = i + 1
		name = debug.getupvalue(f, i)
	end
	return found
end

-- Three lines before the source are part of the contract: errors name `(debug):3:` for its first line.
local TEMPLATE = [[
%s
return function(...)
%s
end
]]

local function compile(source, names, known, env)
	local declared = {}
	for _, name in ipairs(names) do
		if known(name) then
			declared[#declared + 1] = name
		end
	end
	local declaration = ""
	if #declared > 0 then
		declaration = "local " .. table.concat(declared, ", ")
	end
	-- The replacement is a function, as the source may hold `%`.
	local text = TEMPLATE:gsub("%%s", declaration, 1):gsub("%%s", function() return source end, 1)
	local chunk, err = load(text, "=(debug)", "t", env)
	if chunk == nil then
		return nil, err
	end
	return chunk()
end

local function env_of(target, upvalues, locals)
	if locals._ENV then
		return locals._ENV.value
	elseif upvalues._ENV then
		return select(2, debug.getupvalue(target, upvalues._ENV))
	end
	return _ENV
end

-- Gives the compiled function its names: `ext` first, then locals, then upvalues.
local function bind(f, target, upvalues, locals, ext)
	for name, index in pairs(upvalues_of(f)) do
		if ext and ext[name] ~= nil then
			debug.setupvalue(f, index, ext[name])
		elseif locals[name] then
			debug.setupvalue(f, index, locals[name].value)
			locals[name].upvalue = index
		elseif upvalues[name] and name ~= "_ENV" then
			debug.upvaluejoin(f, index, target, upvalues[name])
		end
	end
end

---@param source string
---@param co thread|nil  default: the running coroutine
---@param level integer|nil  0: the function that called this one; in another coroutine as for `debug.getinfo`
---@param ext table<string, any>|nil  further names
---@return boolean ok
---@return any ...  results, or the error text
return function(source, co, level, ext)
	-- Everything that counts levels is in this function: the running coroutine sees it as level 1.
	local this = coroutine.running()
	co = co or this
	level = (level or 0) + (co == this and 2 or 0)
	local info = getinfo(co, level, "f")
	if info == nil then
		return false, "Invalid level"
	end
	local target = info.func
	local upvalues, locals = upvalues_of(target), {}
	local i = 1
	local name, value = getlocal(co, level, i)
	while name do
		locals[name] = { index = i, value = value } -- of two with one name the inner one is visible
		i = i + 1
		name, value = getlocal(co, level, i)
	end
	local varargs = { n = 0 }
	name, value = getlocal(co, level, -1)
	while name do
		varargs.n = varargs.n + 1
		varargs[varargs.n] = value
		name, value = getlocal(co, level, -varargs.n - 1)
	end

	local f, err = compile(source, names_of(source), function(word)
		return locals[word] or upvalues[word] or (ext and ext[word] ~= nil)
	end, env_of(target, upvalues, locals))
	if f == nil then
		return false, err
	end
	bind(f, target, upvalues, locals, ext)
	local results = table.pack(pcall(f, table.unpack(varargs, 1, varargs.n)))
	if results[1] then
		for _, var in pairs(locals) do
			if var.upvalue then
				local _, changed = debug.getupvalue(f, var.upvalue)
				if not rawequal(changed, var.value) then
					setlocal(co, level, var.index, changed)
				end
			end
		end
	end
	return table.unpack(results, 1, results.n)
end
