-- `.service`: unique services, started once however many ask for them.
--
-- One record a name. Who asks while the service is started, or before anybody started it, waits in the record.
-- A failure is kept like a success: the name stays failed. Global ones (`@name`) belong to the node that has
-- `standalone`; other nodes ask its manager under the name `SERVICE` and keep the answer.

local skynet = require "skynet"
require "skynet.manager"

---@class service_mgr.Record
---@field address integer|nil   ready
---@field failure string|nil    why it could not be started; kept for good
---@field starting table|nil    {session, source, thread} of the request that starts it
---@field waiting table[]       {session, source, thread} of those that wait, in the order of arrival

---@type table<string, service_mgr.Record>
local records = {}
---@type table<integer, true> managers of other nodes
local reported = {}

local CMD = {}

local function record_of(key)
	local record = records[key]
	if record == nil then
		record = { waiting = {} }
		records[key] = record
	end
	return record
end

local function result(record)
	if record.failure then
		error(record.failure, 0)
	end
	return record.address
end

local function settled(record)
	return record.address ~= nil or record.failure ~= nil
end

-- Blocks until the record is settled.
local function wait_for(record, who)
	local waiting = record.waiting
	waiting[#waiting + 1] = who
	repeat
		skynet.wait(who.thread)
	until settled(record)
	return result(record)
end

local function settle(key, record, ok, value)
	record.starting = nil
	if ok and value == nil then
		-- It ended in its start function: as if never started, so that the next one may try.
		if #record.waiting == 0 then
			records[key] = nil
		end
		assert(value)
	end
	if ok then
		record.address = value
	else
		record.failure = tostring(value)
	end
	for _, who in ipairs(record.waiting) do
		skynet.wakeup(who.thread)
	end
	record.waiting = {}
	return result(record)
end

local function launch(key, who, start, ...)
	local record = record_of(key)
	if settled(record) then
		return result(record)
	end
	if record.starting then
		return wait_for(record, who)
	end
	record.starting = who
	return settle(key, record, pcall(start, ...))
end

local function query(key, who)
	local record = record_of(key)
	if settled(record) then
		return result(record)
	end
	return wait_for(record, who)
end

-- snax services share one file: the name that counts is the next argument.
local function is_snax(name)
	return name == "snaxd" or name == "@snaxd"
end

local function key_of(name, sub)
	assert(type(name) == "string", "service name must be a string")
	if is_snax(name) then
		return name .. "." .. sub
	end
	return name
end

function CMD.LAUNCH(who, name, ...)
	local key = key_of(name, (...))
	if is_snax(name) then
		return launch(key, who, require("skynet.snax").rawnewservice, ...)
	end
	return launch(key, who, skynet.newservice, (name:gsub("^@", "")), ...)
end

function CMD.QUERY(who, name, sub)
	return query(key_of(name, sub), who)
end

local function list_here()
	local list = {}
	for key, record in pairs(records) do
		if record.address then
			list[key] = skynet.address(record.address)
		elseif record.failure then
			list[key] = "Error: " .. record.failure
		else
			list[key] = record
		end
	end
	return list
end

-- The traceback of another service's coroutine, or why there is none.
local function traceback_of(address, what)
	local ok, text = pcall(skynet.call, address, "debug", "TASK", what)
	return tostring(ok and text or text)
end

-- What a name that is not ready is waiting for, for people.
local function describe(record)
	local lines = {}
	local who = record.starting
	if who then
		local session = skynet.task(who.thread)
		local address = session and skynet.call(".launcher", "lua", "QUERY", session)
		if address then
			lines[#lines + 1] = "Init as " .. skynet.address(address)
			lines[#lines + 1] = traceback_of(address, "init")
		end
		lines[#lines + 1] = "Launching from " .. skynet.address(who.source)
		lines[#lines + 1] = traceback_of(who.source, who.session)
	end
	if #record.waiting > 0 then
		lines[#lines + 1] = "Querying:"
		for _, waiting in ipairs(record.waiting) do
			lines[#lines + 1] = skynet.address(waiting.source) .. " " .. traceback_of(waiting.source, waiting.session)
		end
	end
	return table.concat(lines, "\n")
end

function CMD.LIST()
	local list = list_here()
	for key, record in pairs(list) do
		if type(record) == "table" then
			list[key] = describe(record)
		end
	end
	for address in pairs(reported) do
		local node = "@" .. skynet.harbor(address)
		local ok, others = pcall(skynet.call, address, "lua", "LIST")
		for key, text in pairs(ok and others or {}) do
			list[key .. node] = text
		end
	end
	return list
end

local function global_here()
	function CMD.GLAUNCH(who, name, ...)
		return CMD.LAUNCH(who, "@" .. name, ...)
	end

	function CMD.GQUERY(who, name, ...)
		return CMD.QUERY(who, "@" .. name, ...)
	end

	function CMD.REPORT(_, address)
		reported[address] = true
	end

	skynet.register "SERVICE"
end

local function global_elsewhere()
	local function ask(cmd, ...)
		local address, err = skynet.call("SERVICE", "lua", cmd, ...)
		if address == nil then
			error(err, 0)
		end
		return address
	end

	function CMD.GLAUNCH(who, name, ...)
		local key = key_of("@" .. name, (...))
		return launch(key, who, ask, "LAUNCH", "@" .. name, ...)
	end

	-- A query does not keep a later GLAUNCH from starting the service, so it goes on its own.
	function CMD.GQUERY(_, name, sub)
		local key = key_of("@" .. name, sub)
		local record = records[key]
		if record and settled(record) then
			return result(record)
		end
		local address = ask("QUERY", "@" .. name, sub)
		record = record_of(key)
		if not settled(record) then
			return settle(key, record, true, address)
		end
		return result(record)
	end

	skynet.call("SERVICE", "lua", "REPORT", skynet.self())
end

skynet.start(function()
	skynet.dispatch("lua", function(session, source, cmd, ...)
		local f = CMD[cmd]
		if f == nil then
			skynet.retpack(nil, "Invalid command " .. tostring(cmd))
			return
		end
		local ok, value = pcall(f, { session = session, source = source, thread = coroutine.running() }, ...)
		if ok then
			skynet.retpack(value)
		else
			skynet.retpack(nil, value)
		end
	end)
	local first = skynet.localname ".service"
	if first then
		skynet.error(".service is already register by ", skynet.address(first))
		skynet.exit()
	end
	skynet.register ".service"
	if skynet.getenv "standalone" then
		global_here()
	else
		global_elsewhere()
	end
end)
