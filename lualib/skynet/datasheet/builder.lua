-- The writer's side of data sheets: makes their texts, and the node's service that has the newest of each name.
--
-- A new version of a sheet numbers its tables like the one before it (`dump.diff`), so a reader knows by a table's
-- number that it is still the same one. The service names the first version of such a line with each version: when
-- another service makes a sheet of the same name, a new line begins, and only the roots are the same.

local skynet = require "skynet"
local service = require "skynet.service"
local dump = require "skynet.datasheet.dump"

local builder = {}

---@type table<any, string> name -> text of the newest version that this service has made
local made = {}

-- The service. It is made from this function's bytecode, so it takes along nothing but the globals.
local function serve()
	local skynet = require "skynet"
	local core = require "skynet.datasheet.core"

	-- name -> { sheet, number, first }
	local current = {}
	local readers = require "welkin.readers"()

	local function put(name, text, follows)
		local sheet, old = core.new(text), current[name]
		local number = core.number(sheet)
		local first = follows and old and old.first or number
		current[name] = { sheet = sheet, number = number, first = first }
		if old then
			core.release(old.sheet)
		end
		readers:tell(name, number, first)
		skynet.ret()
	end

	local command = {}

	function command.new(_, name, text)
		put(name, text, false)
	end

	function command.update(_, name, text)
		put(name, text, true)
	end

	function command.query(_, name)
		local entry = assert(current[name], "create data first")
		skynet.retpack(entry.number, entry.first)
	end

	-- Answers when the newest version is not the one of that number.
	function command.monitor(source, name, number)
		local entry = assert(current[name], "create data first")
		if entry.number ~= number then
			return skynet.retpack(entry.number, entry.first)
		end
		readers:wait(name, source, number, entry.first)
	end

	skynet.dispatch("lua", function(_, source, cmd, ...)
		command[cmd](source, ...)
	end)
end

---@type integer
local address

skynet.init(function()
	address = service.new("datasheet", serve)
end)

local function compiled(v)
	if type(v) == "string" then
		return v
	end
	return dump.dump(v)
end

---The binary form of a table, for a file or for `new` and `update`.
---@param v table
---@return string text
function builder.compile(v)
	return dump.dump(v)
end

---Makes a sheet. The name is one that this service has made none of.
---@param name any
---@param v table|string  a table, or a text made by `compile`
function builder.new(name, v)
	assert(made[name] == nil)
	local text = compiled(v)
	made[name] = text
	local ok, err = pcall(skynet.call, address, "lua", "new", name, text)
	if not ok then
		made[name] = nil
		error(err, 0)
	end
end

---Makes the next version of a sheet that this service has made.
---@param name any
---@param v table|string
function builder.update(name, v)
	local text = dump.diff(assert(made[name]), compiled(v))
	made[name] = text
	skynet.call(address, "lua", "update", name, text)
end

return builder
