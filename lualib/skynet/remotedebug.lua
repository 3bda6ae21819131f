-- The remote debugger, inside the service that is debugged.
--
-- Lines come through a channel from `debug_agent`, output goes to the socket directly. While a service is debugged
-- its messages pass through the function `dispatch_message` below: it reads the lines that have come, and they are
-- run in its frame, so that they see the message. A timer makes sure that there is a message now and then.
--
-- `watch` puts a function around the dispatch function of a protocol. For the message it waits for, it sets a hook on
-- the message's coroutine, which stops at a line: the coroutine sleeps there until it is woken by `s`, `n` or `c`.
-- The service goes on with others meanwhile.

local skynet = require "skynet"
local debugchannel = require "skynet.debugchannel"
local debugger = require "welkin.debugger"
local driver = require "skynet.socketdriver"
local inject = require "skynet.injectcode"

-- Hundredths of a second between two looks for lines in a service without messages.
local LOOK_TICKS = 10

-- Built-in files that are passed over when stepping: what `skynet` itself is made of.
local PASSED_OVER = {}
for _, name in ipairs { "cold", "request", "require", "remotedebug" } do
	PASSED_OVER[name] = true
end

---@class skynet.remotedebug.Session
---@field fd integer
---@field channel userdata
---@field answer function        of the REMOTEDEBUG request
---@field handle function        what handles a message without the debugger
---@field watched table|nil      {class, original, wrapper, cond}: waits for its message
---@field co thread|nil          the coroutine of that message, from then on
---@field target function|nil    to be stopped at its first line
---@field stopped table|nil      where `co` is stopped: {place, depth, func}
---@field step string|nil        how it goes on: "s" or "n"
---@field moving boolean|nil     it goes on and has not stopped again

---@type skynet.remotedebug.Session|nil
local current

local M = {}

-- Output

local function print_to(s, ...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i]) .. "\t"
	end
	words[words.n + 1] = "\n"
	driver.send(s.fd, table.concat(words))
end

local function prompt(s)
	local place = s.stopped and s.stopped.place or skynet.address(skynet.self())
	driver.send(s.fd, place .. ">")
end

-- Stopping and stepping

local function is_passed_over(source)
	local name = source:match "^@skynet/(%w+)%.lua$"
	return name ~= nil and PASSED_OVER[name]
end

-- Frames from `level` of the caller on.
local function depth_at(level)
	local depth = 0
	while debug.getinfo(level + depth + 1, "l") do
		depth = depth + 1
	end
	return depth
end

-- The hook of a line: true stops there. Level 2 is the function in which the line is. Below a native function that
-- cannot be left in the middle (the comparison of a sort, say) nothing can stop.
local function on_line(_, line, can_stop)
	local s = current
	if s == nil or not can_stop or s.co ~= coroutine.running() then
		return false
	end
	local info = debug.getinfo(2, "Sf")
	if s.target and info.func ~= s.target or is_passed_over(info.source) then
		return false
	end
	local depth = depth_at(2)
	if s.step == "n" and (depth > s.depth or depth == s.depth and info.func ~= s.func) then
		return false
	end
	s.target, s.step, s.moving = nil, nil, nil
	s.depth, s.func = depth, info.func
	s.stopped = { place = string.format("%s(%d)", info.short_src, line) }
	prompt(s)
	return true
end

local function unwatch(s)
	local watched = s.watched
	s.watched = nil
	if watched and watched.class.dispatch == watched.wrapper then
		watched.class.dispatch = watched.original
	end
end

local function forget(s)
	if s.co then
		debugchannel.sethook(s.co)
	end
	s.co, s.target, s.stopped, s.step, s.moving = nil, nil, nil, nil, nil
end

-- The dispatch function has ended.
local function ended(s, co, ...)
	if s == current and s.co == co then
		forget(s)
		prompt(s)
	end
	return ...
end

local function dispatch_watched(s, original, ...)
	local co = coroutine.running()
	s.co, s.target = co, original
	debugchannel.sethook(co, on_line, "l")
	return ended(s, co, original(...))
end

---@param s skynet.remotedebug.Session
---@param name string|integer  protocol
---@param cond function|nil
---@return string|nil  why not
local function watch(s, name, cond)
	local class = skynet._proto[name]
	if class == nil then
		return "No " .. tostring(name)
	end
	unwatch(s)
	local original = class.dispatch
	if original == nil then
		return "No dispatch"
	end
	local watched = { class = class, original = original }
	function watched.wrapper(...)
		if s.watched ~= watched or s.co or cond and not cond(...) then
			return original(...)
		end
		unwatch(s)
		return dispatch_watched(s, original, ...)
	end
	class.dispatch = watched.wrapper
	s.watched = watched
end

-- Lines

-- Runs `line` in the frame at `level` as seen from here, or where the coroutine is stopped.
local function evaluate(s, line, level)
	local names = {
		print = function(...) print_to(s, ...) end,
		watch = function(...) return watch(s, ...) end,
	}
	local co
	if s.stopped then
		co, level = s.co, 0
		names._CO = co
	end
	local results = table.pack(inject("return " .. line, co, level, names))
	if results[1] then
		print_to(s, table.unpack(results, 2, results.n))
		return
	end
	results = table.pack(inject(line, co, level, names))
	print_to(s, table.unpack(results, 2, results.n))
end

local function leave(s)
	current = nil
	unwatch(s)
	local stopped = s.stopped and s.co
	forget(s)
	if stopped then
		skynet.wakeup(stopped)
	end
	debugger.detach()
	skynet.error "Leave debug mode"
	s.answer(true)
end

-- Lets the stopped coroutine go on.
local function go_on(s, how)
	local co = s.co
	if how == "c" then
		forget(s)
		prompt(s)
	else
		s.stopped, s.step, s.moving = nil, how, true
	end
	skynet.wakeup(co)
end

-- From `evaluate`: run_line, read_lines, dispatch_message. So no call from there to here may be a tail call.
local FRAME_LEVEL = 3

local function run_line(s, line)
	if line == "cont" then
		leave(s)
	elseif s.stopped and (line == "s" or line == "n" or line == "c") then
		go_on(s, line)
	else
		if line ~= "" then
			evaluate(s, line, FRAME_LEVEL)
		end
		prompt(s)
	end
end

local function read_lines(s)
	local moved = s.moving
	if s.co and debug.gethook(s.co) == nil then
		forget(s) -- it failed, or was ended by somebody else
	end
	if moved then
		-- It has not stopped in the meantime: it waits for something, or is no more.
		s.moving = nil
		prompt(s)
	end
	while s == current and not s.moving do
		local line = s.channel:read()
		if line == nil then
			return
		end
		run_line(s, (line:gsub("\r$", "")))
	end
end

-- The message dispatcher while a service is debugged: what is typed sees these locals and upvalues.
local function dispatch_message(...)
	local prototype, msg, sz, session, source = ...
	local handle = current and current.handle or skynet.dispatch_message
	if current then
		read_lines(current)
	end
	handle(prototype, msg, sz, session, source)
end

local function look(s)
	if s == current then
		skynet.timeout(LOOK_TICKS, function() look(s) end)
	end
end

---Enters debug mode; runs in the REMOTEDEBUG request, which is answered at the end of it.
---@param fd integer        output goes there
---@param pointer lightuserdata  channel the lines come from
function M.start(fd, pointer)
	assert(current == nil, "the service is being debugged already")
	local channel = debugchannel.connect(pointer)
	local s = { fd = fd, channel = channel, answer = skynet.response() }
	s.handle = debugger.attach(dispatch_message) or skynet.dispatch_message
	current = s
	skynet.error "Enter debug mode"
	prompt(s)
	look(s)
end

return M
