-- Tables that all services of the node read, without a copy and without a lock.
--
-- One service of the node (`welkin.sharetable`) has the current version of each name; it runs the program that makes a
-- table and tells who asks the version's number. A service that has asked keeps every version it got until it ends:
-- what it holds anywhere stays valid.

local skynet = require "skynet"
local service = require "skynet.service"
local core = require "skynet.sharetable.core"

local NAME = "sharetable"

-- The service: a function that names nothing but globals, as it goes there as bytecode.
local function serve(...)
	require "welkin.sharetable"(...)
end

local sharetable = {}

-- name -> numbers of the versions that this service got, the newest last
local got = {}

local function address()
	local found = rawget(sharetable, "address") or service.new(NAME, serve)
	sharetable.address = found
	return found
end

---The table of that number, remembered for `update`.
local function take(name, number)
	local t = core.clone(number)
	if t ~= nil then
		local numbers = got[name]
		if numbers == nil then
			got[name] = { number }
		elseif numbers[#numbers] ~= number then
			numbers[#numbers + 1] = number
		end
	end
	return t
end

---Makes the table that a file returns, under the file's name.
---@param filename string
---@param ... boolean|number|lightuserdata  the file's arguments
function sharetable.loadfile(filename, ...)
	skynet.call(address(), "lua", "loadfile", filename, ...)
end

---Makes the table that a program returns.
---@param name string
---@param source string  Lua, or `@` and a file's name
---@param ... boolean|number|lightuserdata  the program's arguments
function sharetable.loadstring(name, source, ...)
	skynet.call(address(), "lua", "loadstring", name, source, ...)
end

---Makes a copy of a table, without its metatables.
---@param name string
---@param tbl table
function sharetable.loadtable(name, tbl)
	assert(type(tbl) == "table")
	skynet.call(address(), "lua", "loadtable", name, tbl)
end

---The current version. This service keeps it until its end.
---@param name string
---@return table|nil t  nil: there is none
function sharetable.query(name)
	local number, t
	repeat
		number = skynet.call(address(), "lua", "query", name)
		t = number and take(name, number)
	until t or not number
	return t
end

---The current versions of all names, or of those in the list that there are.
---@param names string[]|nil
---@return table<string, table>
function sharetable.queryall(names)
	local tables = {}
	for name, number in pairs(skynet.call(address(), "lua", "queryall", names)) do
		-- one that was replaced while its number was under way
		tables[name] = take(name, number) or sharetable.query(name)
	end
	return tables
end

---Puts the current version in the place of all older ones, wherever this service has them: a walk through all
---that the service has.
---@param ... string  names; those never asked for here are left out
function sharetable.update(...)
	local numbers = {}
	for _, name in ipairs { ... } do
		if got[name] and sharetable.query(name) then
			local list = got[name]
			local newest = table.remove(list)
			for _, number in ipairs(list) do
				numbers[#numbers + 1] = number
				numbers[#numbers + 1] = newest
			end
			got[name] = { newest }
		end
	end
	core.replace(table.unpack(numbers))
end

return setmetatable(sharetable, {
	__index = function(_, key)
		return key == "address" and address() or nil
	end,
})
