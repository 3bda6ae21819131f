-- A small framework of the tests' own that dispatches for itself: one native callback, one coroutine for each
-- message, calls by session. It stands where a project's own copy of skynet's library would stand, so it has the
-- names that the native side looks for, and nothing that these tests do not need.

local core = require "skynet.core"
local profile = require "skynet.profile"

local skynet = {}

local TEXT, RESPONSE, SYSTEM, ERROR, LUA = 0, 1, 4, 7, 10

---@type table<integer, thread> who waits for the answer to a session
local waiting = {}
---@type table<thread, { session: integer, source: integer }> the request a coroutine works for
local requests = setmetatable({}, { __mode = "k" })
---@type fun(session: integer, source: integer, ...)|nil
local handler

-- Runs a coroutine until it waits for a session, or ends.
local function run(co, ...)
	local ok, session = profile.resume(co, ...)
	if not ok then
		local request = requests[co]
		if request and request.session ~= 0 then
			core.send(request.source, ERROR, request.session, "")
		end
		error(debug.traceback(co, tostring(session)))
	end
	if coroutine.status(co) ~= "dead" then
		waiting[session] = co
	end
end

local function callback(kind, pointer, size, session, source)
	if kind == RESPONSE or kind == ERROR then
		local co = waiting[session]
		waiting[session] = nil
		if co then
			run(co, kind == RESPONSE, core.unpack(pointer, size))
		end
	elseif kind == LUA and handler then
		local co = coroutine.create(handler)
		requests[co] = { session = session, source = source }
		run(co, session, source, core.unpack(pointer, size))
	end
end

local function wait(session)
	local ok, first, second = coroutine.yield(session)
	if not ok then
		error("call failed", 3)
	end
	return first, second
end

---Messages are dispatched from now on; `f`, if any, runs as a later message.
---@param f function|nil
function skynet.start(f)
	core.callback(callback)
	if f then
		waiting[core.intcommand("TIMEOUT", 0)] = coroutine.create(f)
	end
end

function skynet.dispatch(f)
	handler = f
end

function skynet.call(address, ...)
	local session = core.send(address, LUA, nil, core.pack(...))
	if session == nil then
		error("call to an invalid address", 2)
	end
	return wait(session)
end

function skynet.send(address, ...)
	return core.send(address, LUA, 0, core.pack(...))
end

function skynet.ret(...)
	local request = requests[coroutine.running()]
	core.send(request.source, RESPONSE, request.session, core.pack(...))
end

function skynet.sleep(ticks)
	wait(core.intcommand("TIMEOUT", ticks))
end

---@return integer|nil address
function skynet.launch(...)
	return core.addresscommand("LAUNCH", table.concat({ "snlua", ... }, " "))
end

function skynet.memlimit(bytes)
	debug.getregistry().memlimit = bytes
end

skynet.kinds = { TEXT = TEXT, RESPONSE = RESPONSE, SYSTEM = SYSTEM, ERROR = ERROR, LUA = LUA }
skynet.origin = "tests/classic"

return skynet
