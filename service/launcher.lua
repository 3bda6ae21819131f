-- `.launcher`: starts services for others, answers once they are ready, and keeps the list of them.
--
-- A LAUNCH stays open until the new service reports LAUNCHOK, ERROR or REMOVE about itself. The list is for
-- people (`LIST`, `STAT`, `MEM`); nothing else depends on it. Every spawn of the node passes here, so LAUNCH
-- and LAUNCHOK do no more than they must.

local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.core"

local concat = table.concat

---@type table<integer, string> address -> module and arguments
local services = {}
---@type table<integer, function> address -> answer of its LAUNCH, while it is in init
local pending = {}
---@type table<integer, integer> address -> session of its LAUNCH, while it is in init
local sessions = {}

--- Entries of `services`, and the most there were since it was last made.
local count, most = 0, 0
--- A list that had more entries than this is made anew when three quarters have gone: a table keeps its size.
local MOST_KEPT = 4096

local CMD = {}

---@param address integer
---@param text string
local function enlist(address, text)
	services[address] = text
	count = count + 1
	if count > most then
		most = count
	end
end

---@param address integer
local function strike(address)
	if services[address] == nil then
		return
	end
	services[address] = nil
	count = count - 1
	if most > MOST_KEPT and count < most // 4 then
		local kept = {}
		for at, text in pairs(services) do
			kept[at] = text
		end
		services, most = kept, count
		collectgarbage()
	end
end

local function launch(session, module, ...)
	local text = module .. " " .. concat({ ... }, " ")
	local address = core.addresscommand("LAUNCH", text)
	if address == nil then
		skynet.response()(false)
		return
	end
	enlist(address, text)
	pending[address] = skynet.response()
	sessions[address] = session
	return address
end

local function settle(address, ...)
	local answer = pending[address]
	if answer then
		pending[address] = nil
		sessions[address] = nil
		answer(...)
	end
end

function CMD.LAUNCH(session, _, module, ...)
	launch(session, module, ...)
end

function CMD.LOGLAUNCH(session, _, module, ...)
	local address = launch(session, module, ...)
	if address then
		core.command("LOGON", skynet.address(address))
	end
end

function CMD.LAUNCHOK(_, source)
	settle(source, true, source)
end

function CMD.ERROR(_, source)
	strike(source)
	settle(source, false)
end

-- A service that exits by itself is answered for without a value; one that was killed has failed.
function CMD.REMOVE(_, _, address, killed)
	strike(address)
	settle(address, not killed)
end

function CMD.LIST()
	local list = {}
	for address, text in pairs(services) do
		list[skynet.address(address)] = text
	end
	skynet.retpack(list)
end

-- So many services are asked in one go; then others of this service's messages have their turn.
local ASKED_AT_ONCE = 256

-- Asks the services of one group; their entries come into `list` as they answer.
local function ask_group(group, cmd, ti, show, list)
	local requests = skynet.request()
	for address, text in pairs(group) do
		requests:add { address, "debug", cmd, text = text }
	end
	for req, resp in requests:select(ti) do
		list[skynet.address(req[1])] = show(resp and resp[1] or "ERROR", req.text)
	end
end

-- The listed services in groups, with an entry for each as if none answered.
local function groups_to_ask(show, list)
	local groups, group, size = {}, nil, ASKED_AT_ONCE
	for address, text in pairs(services) do
		list[skynet.address(address)] = show("TIMEOUT", text)
		if size == ASKED_AT_ONCE then
			group, size = {}, 0
			groups[#groups + 1] = group
		end
		group[address] = text
		size = size + 1
	end
	return groups
end

-- Asks every listed service by debug command. `show(reply, text)` makes the entry; reply "TIMEOUT" or "ERROR"
-- stands for a service that gave none.
local function ask(cmd, ti, show)
	assert(ti == nil or math.tointeger(ti), "Need a whole number of hundredths of a second")
	local list = {}
	local groups = groups_to_ask(show, list)
	local left, asker = #groups, coroutine.running()
	for _, group in ipairs(groups) do
		skynet.fork(function()
			local ok, err = pcall(ask_group, group, cmd, ti, show, list)
			if not ok then
				skynet.error(err)
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(asker)
			end
		end)
		skynet.yield()
	end
	if left > 0 then
		skynet.wait(asker)
	end
	skynet.retpack(list)
end

function CMD.STAT(_, _, ti)
	ask("STAT", ti, function(reply) return reply end)
end

local function memory_text(reply, text)
	if type(reply) == "number" then
		return string.format("%.2f Kb (%s)", reply, text)
	end
	return string.format("%s (%s)", reply, text)
end

function CMD.MEM(_, _, ti)
	ask("MEM", ti, memory_text)
end

function CMD.GC(_, _, ti)
	for address in pairs(services) do
		skynet.send(address, "debug", "GC")
	end
	ask("MEM", ti, memory_text)
end

function CMD.KILL(_, _, address)
	skynet.kill(address)
	local list = { [skynet.address(address)] = tostring(services[address]) }
	strike(address)
	skynet.retpack(list)
end

function CMD.QUERY(_, _, wanted)
	for address, session in pairs(sessions) do
		if session == wanted then
			skynet.retpack(address)
			return
		end
	end
	skynet.retpack(nil)
end

-- Set before the start function runs: bootstrap names the launcher and calls it at once.
skynet.dispatch("lua", function(session, source, cmd, ...)
	local f = CMD[cmd] or CMD[string.upper(cmd)]
	if f then
		f(session, source, ...)
	else
		skynet.retpack { "Unknown command" }
	end
end)

-- Native services report in plain text.
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function(session, source, text)
		if text == nil or text == "" then
			CMD.LAUNCHOK(session, source)
		elseif text == "ERROR" then
			CMD.ERROR(session, source)
		else
			error("Invalid text command " .. text)
		end
	end,
}

skynet.start(function() end)
