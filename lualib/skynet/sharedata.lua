-- Data that all services of the node read, and that is replaced as a whole.
--
-- The service `sharedatad` makes versions of the data and has the newest one of each name. A reader gets a
-- proxy of it; the versions themselves lie outside of all services, once in the node. For each name that a
-- service reads, one request waits in `sharedatad` for the next version: when its answer has come, the proxies
-- move to that version at their next use, all together.

local skynet = require "skynet"
local core = require "skynet.sharedata.core"
local await = require "welkin.await"

local sharedata = {}

---@type integer
local sharedatad

skynet.init(function()
	sharedatad = skynet.uniqueservice "sharedatad"
end)

---@type table<any, userdata> name -> root, as long as the program has any proxy of it
local roots = setmetatable({}, { __mode = "v" })
---@type table<any, true> names that a request waits for
local watched = {}

-- A root of the newest version, and the version's number.
local function fetch(name)
	local root, number
	repeat
		number = skynet.call(sharedatad, "lua", "query", name)
		-- nil: it was replaced while its number was under way
		root = core.root(number)
	until root
	return root, number
end

local function watch(name, number)
	watched[name] = true
	skynet.fork(function()
		repeat
			number = await(sharedatad, "lua", "monitor", name, number)
			local root = roots[name]
			if number == nil then
				roots[name] = nil
			elseif root then
				core.update(root, number)
			end
		until number == nil or root == nil
		watched[name] = nil
	end)
end

---The data of that name, for reading. It shows newer versions as they come.
---@param name any
---@return table proxy  the same object as long as the service has it
function sharedata.query(name)
	local root = roots[name]
	if root == nil then
		local fetched, number = fetch(name)
		-- Another coroutine may have asked too, and have got its answer first.
		root = roots[name] or fetched
		roots[name] = root
		if not watched[name] then
			watch(name, number)
		end
	end
	return core.proxy(root)
end

---Makes data under a name that is not taken.
---@param name any
---@param v table|string|nil  a source text or `@` and a file's name: what it returns, or the globals it sets
---@param ... any  the arguments of a source text
function sharedata.new(name, v, ...)
	skynet.call(sharedatad, "lua", "new", name, v, ...)
end

---Makes the next version. The name may be a new one.
---@param name any
---@param v table|string|nil  as for `new`
---@param ... any
function sharedata.update(name, v, ...)
	skynet.call(sharedatad, "lua", "update", name, v, ...)
end

---Takes the name away. Who has the data goes on reading its last version.
---@param name any
function sharedata.delete(name)
	skynet.call(sharedatad, "lua", "delete", name)
end

local weak = { __mode = "v" }

---Lets go old versions that this service still has, and proxies of parts that the program does not hold.
function sharedata.flush()
	for _, root in pairs(roots) do
		core.settle(root)
		core.loosen(root, weak)
	end
	collectgarbage()
	for _, root in pairs(roots) do
		core.loosen(root, nil)
	end
end

---A copy as plain tables: of what this service's proxies showed when they were used last, or else of the
---newest version.
---@param name any
---@param ... string|integer  the way to the part that is copied
---@return any value  nothing if it is not there
function sharedata.deepcopy(name, ...)
	return core.copy(roots[name] or (fetch(name)), ...)
end

return sharedata
