-- `require` for coroutines: a module may block while it is loaded.
--
-- Two coroutines that need one module at the same time load it once: the second waits for the first.
-- Functions that the module gives to `skynet.init` run right after its main chunk, before `require` returns,
-- and may block too. In the main file of a service they are kept until the start function is due.

local skynet = require "skynet"

local loaded = package.loaded

---@class skynet.require.Loading
---@field holder thread     the coroutine that runs the main chunk
---@field waiting thread[]  those that want the module, in the order of arrival

local M = {}

---@type table<string, skynet.require.Loading>
local loading = {}
---@type table<thread, string> the module a coroutine waits for
local waits_for = {}
---@type table<thread, function[]> functions given to `skynet.init` by the module a coroutine is loading
local inits_of = setmetatable({}, { __mode = "k" })
---@type function[]|nil functions of the main file; nil once the service has started
local main_inits = {}

-- Follows who waits for whom: true when the module's loader waits, over any number of others, for `co`.
local function circular(name, co)
	while name do
		local entry = loading[name]
		if entry == nil then
			return false
		end
		if entry.holder == co then
			return true
		end
		name = waits_for[entry.holder]
	end
	return false
end

-- Whoever ends the loading (return, error, killed coroutine) lets the waiting ones go on.
local release = { __close = function(self)
	local entry = loading[self.name]
	loading[self.name] = nil
	inits_of[entry.holder] = self.outer
	for _, co in ipairs(entry.waiting) do
		skynet.wakeup(co)
	end
end }

local function find(name)
	local messages = {}
	for _, searcher in ipairs(package.searchers) do
		local loader, data = searcher(name)
		if type(loader) == "function" then
			return loader, data
		end
		messages[#messages + 1] = type(loader) == "string" and loader or nil
	end
	return nil, string.format("module '%s' not found:\n\t%s", name, table.concat(messages, "\n\t"))
end

local function run_inits(list)
	for _, f in ipairs(list) do
		f()
	end
end

local function store(name, value)
	if value ~= nil then
		loaded[name] = value
	elseif loaded[name] == nil then
		loaded[name] = true
	end
	return loaded[name]
end

local function load_here(name, co, loader, data)
	local inits = {}
	local guard <close> = setmetatable({ name = name, outer = inits_of[co] }, release)
	loading[name] = { holder = co, waiting = {} }
	inits_of[co] = inits
	local ok, value = xpcall(loader, debug.traceback, name, data)
	if ok then
		inits_of[co] = guard.outer
		local err
		ok, err = xpcall(run_inits, debug.traceback, inits)
		if not ok then
			value = err
		end
	end
	if not ok then
		error(value)
	end
	return store(name, value)
end

---Loads a module, or waits until another coroutine has loaded it.
---@param name string
---@return any value  alone: what the loader was given is not told
function M.require(name)
	local value = loaded[name]
	if value ~= nil then
		return value
	end
	local co, is_main = coroutine.running()
	local entry = loading[name]
	if entry and not is_main then
		if circular(name, co) then
			error("circular dependency", 2)
		end
		entry.waiting[#entry.waiting + 1] = co
		waits_for[co] = name
		repeat
			skynet.wait(co)
		until loading[name] ~= entry
		waits_for[co] = nil
		value = loaded[name]
		if value == nil then
			error(string.format("require %s failed", name), 2)
		end
		return value
	end
	local loader, data = find(name)
	if loader == nil then
		error(data, 2)
	end
	-- C modules cannot block, and outside of a coroutine nothing can.
	if is_main or package.preload[name] or debug.getinfo(loader, "S").what == "C" then
		return store(name, loader(name, data))
	end
	return load_here(name, co, loader, data)
end

---Registers `f` to be run before the start function, or at the end of the module being loaded.
---@param f function
function M.init(f)
	assert(type(f) == "function")
	local co, is_main = coroutine.running()
	local list = inits_of[co] or (is_main and main_inits or nil)
	if list == nil then
		error("skynet.init must be called in the main file or while a module is loaded", 2)
	end
	list[#list + 1] = f
end

---Runs what the main file gave to `skynet.init`, in order. Afterwards the main file is over.
function M.init_all()
	local list = main_inits
	main_inits = nil
	if list then
		run_inits(list)
	end
end

return M
