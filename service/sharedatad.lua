-- The data of `skynet.sharedata`: makes the versions, keeps the newest of each name, and tells those who wait.
--
-- A version is known by its number (`skynet.sharedata.core`); readers hold theirs on their own, so one that was
-- replaced is only let go here. A version is made before anything is changed: what fails leaves all as it was.

local skynet = require "skynet"
local core = require "skynet.sharedata.core"

---@class sharedatad.Entry
---@field version userdata
---@field number integer
---@field bytes integer

---@type table<any, sharedatad.Entry> name -> the newest version
local current = {}

local readers = require "welkin.readers"()

-- What a source text gives: the table it returns, or else the globals it sets.
local function run(name, source, ...)
	if source:byte() == 64 then -- @
		local file = assert(io.open(source:sub(2), "rb"))
		source = file:read "a"
		file:close()
	end
	local globals = setmetatable({}, { __index = _ENV })
	local result = assert(load(source, "=" .. tostring(name), "bt", globals))(...)
	return type(result) == "table" and result or globals
end

local function make(name, value, ...)
	assert(name ~= nil, "data needs a name")
	local kind = type(value)
	if kind == "nil" then
		value = {}
	elseif kind == "string" then
		value = run(name, value, ...)
	elseif kind ~= "table" then
		error("Unknown data type " .. kind)
	end
	local version = core.new(value)
	local number, bytes = core.info(version)
	return { version = version, number = number, bytes = bytes }
end

local function known(name)
	return current[name] or error("There is no data of the name " .. tostring(name))
end

-- Puts an entry, or nil for none, in the place of the one there is, and answers all that wait for that.
local function replace(name, entry)
	local old, number = current[name], entry and entry.number
	current[name] = entry
	if old then
		-- Not left to the collector: it may be large.
		core.release(old.version)
	end
	readers:tell(name, number)
end

local command = {}

function command.new(name, ...)
	local function free()
		assert(current[name] == nil, "There is data of that name already")
	end
	free()
	local entry = make(name, ...)
	-- A source text may have waited for something.
	free()
	current[name] = entry
end

function command.update(name, ...)
	replace(name, make(name, ...))
end

function command.delete(name)
	known(name)
	replace(name, nil)
end

function command.query(name)
	return known(name).number
end

-- Answers when the newest version is not the one of that number.
local function monitor(source, name, number)
	local entry = current[name]
	if entry == nil or entry.number ~= number then
		return skynet.retpack(entry and entry.number)
	end
	readers:wait(name, source, number)
end

skynet.info_func(function()
	local info = {}
	for name, entry in pairs(current) do
		info[name] = { size = entry.bytes, readers = readers:count(name) }
	end
	return info
end)

skynet.start(function()
	skynet.dispatch("lua", function(_, source, cmd, ...)
		if cmd == "monitor" then
			monitor(source, ...)
		else
			local f = assert(command[cmd], "unknown command")
			skynet.retpack(f(...))
		end
	end)
end)
