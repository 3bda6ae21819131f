-- Functions that the node calls in this service: when it drains, when it ends, to count players.
--
-- The node asks by a debug message, so that it also reaches a service that runs a Lua library of its own, and hears
-- of the end by native functions. A ticket is always brought to its end, also when the coroutine of a hook is killed.

local skynet = require "skynet"
local debugging = require "skynet.debug"
local native = require "welkin.native"

local M = {}

---@type table<string, function[]>
local lists = { exit = {}, drain = {}, online = {} }

---@class welkin.RunningHook
---@field thread thread
---@field name string  where the function begins

---@type table<integer, welkin.RunningHook>
local running = {}

local function begins_at(f)
	local info = debug.getinfo(f, "S")
	if info.what == "C" then
		return "a native function"
	end
	return string.format("%s:%d", info.short_src, info.linedefined)
end

-- What ends a ticket, whatever ends the hook.
local function ticket_guard(ticket, outcome)
	return setmetatable({}, {
		__close = function()
			running[ticket] = nil
			native.hook_done(ticket, outcome.number)
		end,
	})
end

local function traced(err)
	return debug.traceback(tostring(err), 2)
end

-- Runs one function; its result, or nil after an error, which is logged.
local function run(ticket, kind, f)
	local name = begins_at(f)
	running[ticket] = { thread = coroutine.running(), name = name }
	native.hook_at(ticket, name)
	local ok, result = xpcall(f, traced)
	if not ok then
		skynet.error(string.format("error: the %s hook %s failed: %s", kind, name, result))
		return nil
	end
	return result
end

local ask = {}

function ask.exit(ticket)
	local outcome <const> = {}
	local _ <close> = ticket_guard(ticket, outcome)
	while #lists.exit > 0 do
		run(ticket, "exit", table.remove(lists.exit))
	end
end

function ask.drain(ticket)
	local outcome <const> = {}
	local _ <close> = ticket_guard(ticket, outcome)
	-- A copy: hooks stay for the next time, and one may add others.
	for _, f in ipairs(table.move(lists.drain, 1, #lists.drain, 1, {})) do
		run(ticket, "drain", f)
	end
end

-- Wrong answers are said once a minute, as the fleet asks every few seconds.
local complained_at

local function complain(text)
	local now = skynet.now()
	if complained_at == nil or now - complained_at >= 6000 then
		complained_at = now
		skynet.error(text)
	end
end

function ask.online(ticket)
	local outcome = {}
	local _ <close> = ticket_guard(ticket, outcome)
	local sum = 0
	for _, f in ipairs(lists.online) do
		local name = begins_at(f)
		running[ticket] = { thread = coroutine.running(), name = name }
		local ok, count = xpcall(f, traced)
		local whole = ok and math.tointeger(count)
		if not whole or whole < 0 then
			local what = ok and "gave " .. tostring(count) or "failed: " .. tostring(count)
			complain(string.format("error: the online hook %s %s; it is to give the number of players", name, what))
			return
		end
		sum = sum + whole
	end
	outcome.number = sum
end

-- Where a hook is: the first line of its coroutine that is the program's, if there is one, as what it waits in is
-- often a library.
local function place_of(thread)
	local level, first = 0, ""
	while true do
		local info = debug.getinfo(thread, level, "Sln")
		if info == nil then
			return first
		elseif info.currentline > 0 then
			local source = info.short_src
			local place = string.format("%s:%d", source, info.currentline)
			place = info.name and info.name .. " at " .. place or place
			if source:find "^welkin/" then
				return first
			elseif not (source:find "^skynet/" or source:find "lualib/") then
				return place
			elseif first == "" then
				first = place
			end
		end
		level = level + 1
	end
end

ask["where"] = function(ticket)
	local hook = running[ticket]
	if hook then
		native.hook_at(ticket, hook.name, place_of(hook.thread))
	end
end

local listening = false

---Adds a function to those of its kind.
---@param kind "exit"|"drain"|"online"
---@param f function
function M.add(kind, f)
	if type(f) ~= "function" then
		error(string.format("a function expected, got %s", type(f)), 3)
	end
	if not listening then
		listening = true
		debugging.reg_debugcmd("welkin.hook", function(what, ticket)
			local answer = ask[what]
			if answer and math.type(ticket) == "integer" then
				answer(ticket)
			end
		end)
	end
	local list = lists[kind]
	list[#list + 1] = f
	native.hook(kind)
end

return M
