-- Keeps the services that `skynet.service` makes from functions: one a name in this node.
--
-- The work of starting is done here, so that a caller that dies in the middle leaves nothing half made. A failure
-- is kept under the name until `close`.

local skynet = require "skynet"

---@class service_provider.Record
---@field address integer|nil   ready
---@field failed boolean|nil    the cell raised; kept until close
---@field starting boolean|nil
---@field waiting function[]    answers of those that wait
---@field info table|nil        what `debug` INFO tells

---@type table<string, service_provider.Record>
local records = {}

local CMD = {}

local function record_of(name)
	local record = records[name]
	if record == nil then
		record = { waiting = {} }
		records[name] = record
	end
	return record
end

local function settle(record)
	for _, answer in ipairs(record.waiting) do
		answer(not record.failed, record.address)
	end
	record.waiting = {}
end

local function fail(name)
	error(string.format("service %s has failed to start; close the name to try again", name))
end

function CMD.query(name)
	local record = record_of(name)
	if record.failed then
		fail(name)
	elseif record.address then
		skynet.retpack(record.address)
	else
		table.insert(record.waiting, skynet.response())
	end
end

local function describe(name, ...)
	local init
	if select("#", ...) > 0 then
		init = {}
		for i = 1, select("#", ...) do
			init[i] = tostring((select(i, ...)))
		end
		init = table.concat(init, ",")
	end
	return { name = name, init = init, time = os.date("%Y %b %d %T %z", math.floor(skynet.time())) }
end

function CMD.launch(name, code, ...)
	local record = record_of(name)
	if record.failed or record.address or record.starting then
		return CMD.query(name)
	end
	record.starting = true
	record.info = describe(name, ...)
	local ok, cell = pcall(skynet.newservice, "service_cell", name)
	local err = cell
	if ok then
		ok, err = pcall(skynet.call, cell, "lua", "init", code, ...)
		if not ok then
			skynet.send(cell, "debug", "EXIT")
		end
	end
	record.starting = nil
	if ok then
		record.address = cell
	else
		record.failed = true
	end
	settle(record)
	if not ok then
		error(err)
	end
	skynet.retpack(cell)
end

function CMD.test(name)
	local record = records[name]
	if record == nil or not (record.failed or record.address or record.starting) then
		skynet.ret()
	elseif record.failed then
		fail(name)
	elseif record.address then
		skynet.retpack(record.address)
	else
		skynet.retpack(nil, true)
	end
end

function CMD.close(name)
	local record = records[name]
	if record and (record.address or record.failed) then
		records[name] = nil
		skynet.retpack(record.address)
	else
		skynet.retpack(nil)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		CMD[cmd](...)
	end)
	skynet.info_func(function()
		local info = {}
		for _, record in pairs(records) do
			if record.address then
				info[skynet.address(record.address)] = record.info
			end
		end
		return info
	end)
end)
