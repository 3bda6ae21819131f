-- The service of `skynet.sharetable`: the current version of each name, and who reads which.
--
-- It knows its readers by a request that each of them leaves open until its end, so it can tell who has what, and says
-- in the log when an old version is of no use to anybody. That a version is freed does not depend on it: each reader's
-- VM holds what it has.

local skynet = require "skynet"
local core = require "skynet.sharetable.core"
local await = require "welkin.await"

---@class sharetable.Version
---@field name string
---@field number integer  what readers ask by
---@field bytes integer
---@field address lightuserdata  for logs
---@field object userdata  the hold
---@field readers table<integer, true>  addresses
---@field count integer  of the readers

---@type table<string, sharetable.Version>
local current = {}
---@type table<string, sharetable.Version[]> those that are not current and still read
local old = {}
---@type table<integer, sharetable.Version[]> what each reader has
local reading = {}

local function free(version)
	core.release(version.object)
	skynet.error(("Delete a version (%s) of %s"):format(version.address, version.name))
end

-- A version that is current no more: kept for its readers, if it has any.
local function retire(name)
	local version = current[name]
	current[name] = nil
	if version == nil then
		return
	elseif version.count == 0 then
		core.release(version.object)
	else
		old[name] = old[name] or {}
		table.insert(old[name], version)
	end
end

local function forget(reader)
	for _, version in ipairs(reading[reader]) do
		version.readers[reader] = nil
		version.count = version.count - 1
		if version.count == 0 and current[version.name] ~= version then
			local list = old[version.name]
			for i, other in ipairs(list) do
				if other == version then
					table.remove(list, i)
					break
				end
			end
			if #list == 0 then
				old[version.name] = nil
			end
			free(version)
		end
	end
	reading[reader] = nil
end

-- The request is answered by the reader's end only, with an error.
local function watch(reader)
	reading[reader] = {}
	skynet.fork(function()
		pcall(await, reader, "debug", "LINK")
		forget(reader)
	end)
end

local function note(version, reader)
	if reading[reader] == nil then
		watch(reader)
	end
	if not version.readers[reader] then
		version.readers[reader] = true
		version.count = version.count + 1
		table.insert(reading[reader], version)
	end
	return version.number
end

local function publish(name, object)
	retire(name)
	local number, bytes, address = core.info(object)
	current[name] = { name = name, number = number, bytes = bytes, address = address, object = object, readers = {}, count = 0 }
	skynet.ret()
end

local command = {}

function command.loadfile(_, name, ...)
	publish(name, core.matrix("@" .. name, ...))
end

function command.loadstring(_, name, source, ...)
	publish(name, core.matrix(source, ...))
end

function command.loadtable(_, name, tbl)
	publish(name, core.share(tbl))
end

function command.query(reader, name)
	local version = current[name]
	skynet.ret(skynet.pack(version and note(version, reader)))
end

function command.queryall(reader, names)
	local numbers = {}
	if names then
		for _, name in ipairs(names) do
			local version = current[name]
			numbers[name] = version and note(version, reader)
		end
	else
		for name, version in pairs(current) do
			numbers[name] = note(version, reader)
		end
	end
	skynet.ret(skynet.pack(numbers))
end

local function line(version)
	local readers = {}
	for reader in pairs(version.readers) do
		readers[#readers + 1] = skynet.address(reader)
	end
	table.sort(readers)
	return ("%s [%d]: (%s)"):format(version.address, version.bytes, table.concat(readers, " "))
end

local function history(name)
	local lines = {}
	for _, version in ipairs(old[name] or {}) do
		lines[#lines + 1] = line(version)
	end
	if current[name] and current[name].count > 0 then
		lines[#lines + 1] = line(current[name])
	end
	return table.concat(lines, "\n")
end

---Makes the calling service this one.
return function()
	skynet.info_func(function()
		local info = {}
		for name, version in pairs(current) do
			info[name] = { current = version.address, size = version.bytes, history = history(name) }
		end
		return info
	end)

	skynet.dispatch("lua", function(_, source, cmd, ...)
		command[cmd](source, ...)
	end)
end
