-- Reports on its own node: services, memory, work done, sockets.
--
-- Everything here can be had from any service: the launcher (`.launcher`) keeps the list of services and asks each
-- of them for figures; sockets are known to the socket library. The debug console shows the same to people.

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

--- How long a service may take to answer, in hundredths of a second. One that is busy must not hold up the report.
local PATIENCE = 100

-- A table as lines, sorted, since tables have no order.
local function show(title, entries)
	skynet.error(title)
	local keys = {}
	for key in pairs(entries) do
		keys[#keys + 1] = key
	end
	table.sort(keys)
	for _, key in ipairs(keys) do
		skynet.error(string.format("  %s  %s", key, entries[key]))
	end
end

local function figures(stat)
	if type(stat) ~= "table" then
		return stat -- "TIMEOUT" or "ERROR"
	end
	return string.format("%d tasks, %d messages waiting, %d handled, %.3f s of CPU",
		stat.task, stat.mqlen, stat.message, stat.cpu)
end

local function report()
	show("services", skynet.call(".launcher", "lua", "LIST"))
	show("memory", skynet.call(".launcher", "lua", "MEM", PATIENCE))
	local stats = skynet.call(".launcher", "lua", "STAT", PATIENCE)
	for address, stat in pairs(stats) do
		stats[address] = figures(stat)
	end
	show("work", stats)
	local sockets = {}
	for _, s in ipairs(socket.netstat()) do
		sockets[string.format("%4d", s.id)] = string.format("%s %s %s", s.type,
			skynet.address(s.address), s.sock or s.peer or "")
	end
	show("sockets", sockets)
	skynet.error "end of report"
end

skynet.start(function()
	-- Something to see: a socket of our own.
	local listener, address, port = socket.listen("127.0.0.1", tonumber(skynet.getenv "port"))
	socket.start(listener, function(id)
		socket.close_fd(id)
	end)
	skynet.error(string.format("monitor: listening on %s:%d", address, port))
	local interval = tonumber(skynet.getenv "interval")
	skynet.fork(function()
		report()
		while interval > 0 do
			skynet.sleep(interval * 100)
			report()
		end
		skynet.abort()
	end)
end)
