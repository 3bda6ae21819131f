-- Messages of the type `queue`, handled strictly one after the other, also when the handler blocks.
--
-- Kept for old programs; `skynet.queue` is the newer way. What comes before `register` waits.

local skynet = require "skynet"

local mqueue = {}

---@type function|nil
local handler
---@type table<integer, table> waiting messages are the items first..last
local messages = {}
local first, last = 1, 0
---@type thread|nil the handling coroutine, while it has nothing to do
local idle

local function report(ok, result)
	if ok and result then
		skynet.error(string.format("mqueue: the handler of a message that was sent returned %s", result))
	elseif not ok then
		skynet.error(string.format("mqueue: the handler of a message that was sent failed: %s", result))
	end
end

local function handle(message)
	if message.answer then
		message.answer(true, pcall(handler, table.unpack(message, 1, message.n)))
	else
		report(xpcall(handler, debug.traceback, table.unpack(message, 1, message.n)))
	end
end

local function run()
	while true do
		while first <= last do
			local message = messages[first]
			messages[first] = nil
			first = first + 1
			-- The answer itself may fail too, for instance when a result cannot be packed.
			report(pcall(handle, message))
		end
		idle = coroutine.running()
		skynet.wait(idle)
	end
end

skynet.register_protocol {
	name = "queue",
	id = skynet.PTYPE_QUEUE,
	pack = skynet.pack,
	unpack = skynet.unpack,
	dispatch = function(session, _, ...)
		local message = table.pack(...)
		message.answer = session ~= 0 and skynet.response() or nil
		last = last + 1
		messages[last] = message
		if idle then
			skynet.wakeup(idle)
			idle = nil
		end
	end,
}

---Sets the handler, once, and begins with what has come so far.
---@param f function
function mqueue.register(f)
	assert(handler == nil)
	handler = f
	skynet.fork(run)
end

local function result(ok, ...)
	if not ok then
		error((...))
	end
	return ...
end

---@param addr integer|string
---@param ... any
---@return any ...  results of the handler; its errors are raised
function mqueue.call(addr, ...)
	return result(skynet.call(addr, "queue", ...))
end

---@param addr integer|string
---@param ... any
function mqueue.send(addr, ...)
	return skynet.send(addr, "queue", ...)
end

---@return integer  messages that wait, without the one in work
function mqueue.size()
	return last - first + 1
end

return mqueue
