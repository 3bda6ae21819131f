-- `skynet.request`: several calls at once, whose answers a loop gets as they come.
--
-- Each request has a coroutine that waits for its answer and puts it in line; the loop takes from there. Whoever
-- leaves the loop, by `break`, error or time, leaves nothing behind: the coroutines are ended, the sessions
-- forgotten, so that late answers are dropped in silence.

local skynet = require "skynet"
local core = require "skynet.core"

---@param native skynet.native
---@return fun(r: table|nil): skynet.Request
return function(native)
	---@class skynet.Request
	---@field timeout boolean|nil  true when `select` ended for the time
	local Request = {}
	Request.__index = Request

	---@param r table  {addr, proto, args..., n = count of all}
	---@return skynet.Request self
	function Request:add(r)
		assert(type(r) == "table" and not self._selected)
		self[#self + 1] = r
		return self
	end

	Request.__call = Request.add

	-- Ends every wait that is still open: coroutines, sessions and the timer.
	local function discard(state)
		for session, co in pairs(state.open) do
			skynet.killthread(co)
			native.forget(session)
		end
		state.open = {}
	end

	local function deliver(state, req, resp)
		local n = state.n + 1
		state.n = n
		state[n * 2 - 1], state[n * 2] = req, resp
		if state.waiting then
			skynet.wakeup(state)
		end
	end

	-- The body of the coroutine that waits for one answer. A response that cannot be unpacked counts as failed.
	local function await(state, req, p, session)
		local ok, msg, sz = native.wait_session(session, req[1])
		state.open[session] = nil
		local resp = false
		if ok then
			local unpacked = table.pack(pcall(p.unpack, msg, sz))
			if unpacked[1] then
				resp = table.move(unpacked, 2, unpacked.n, 1, {})
				resp.n = unpacked.n - 1
			else
				skynet.error(string.format("skynet.request: the answer of %s cannot be unpacked: %s",
					skynet.address(req[1]), unpacked[2]))
			end
		end
		deliver(state, req, resp)
	end

	local function send_one(state, req)
		local addr, p = req[1], skynet._proto[req[2]]
		local id, pack = p.id, p.pack
		local tag = native.tag()
		if tag then
			skynet.tracelog(tag, "call", 5)
			core.send(addr, skynet.PTYPE_TRACE, 0, tag)
		end
		local session = core.send(addr, id, nil, pack(table.unpack(req, 3, req.n)))
		if session then
			state.left = state.left + 1
			state.open[session] = skynet.fork(await, state, req, p, session)
		else
			table.insert(state.invalid, req)
		end
	end

	local function next_answer(state)
		local invalid = table.remove(state.invalid)
		if invalid then
			return invalid, nil
		end
		if state.taken == state.n then
			if state.left == 0 or state.owner.timeout then
				return nil
			end
			state.waiting = true
			repeat
				skynet.wait(state)
			until state.taken < state.n or state.owner.timeout
			state.waiting = false
			if state.taken == state.n then
				return nil
			end
		end
		local n = state.taken + 1
		state.taken = n
		state.left = state.left - 1
		local req, resp = state[n * 2 - 1], state[n * 2]
		state[n * 2 - 1], state[n * 2] = nil, nil
		return req, resp
	end

	---Sends all requests; for use in a generic `for`. Leaving the loop drops what has not come.
	---@param ti integer|nil  ticks; nil: no limit
	function Request:select(ti)
		assert(not self._selected)
		self._selected = true
		local state = {
			owner = self,
			open = {}, -- session -> coroutine that waits for it
			invalid = {}, -- requests that could not be sent
			n = 0, -- answers that have come; the items 2n-1, 2n are request and response
			taken = 0, -- answers that the loop has seen
			left = 0, -- answers that the loop has not seen
			waiting = false,
		}
		local guard = setmetatable({}, { __close = function() discard(state) end })
		local ok, err = pcall(function()
			for _, req in ipairs(self) do
				send_one(state, req)
			end
		end)
		if not ok then
			discard(state)
			error(err, 0)
		end
		if ti and state.left > 0 then
			local timer, session
			timer = skynet.timeout(ti, function()
				state.open[session] = nil
				self.timeout = true
				if state.waiting then
					skynet.wakeup(state)
				end
			end)
			session = skynet.task(timer)
			state.open[session] = timer
		end
		return next_answer, state, nil, guard
	end

	return function(r)
		local self = setmetatable({}, Request)
		if r ~= nil then
			self:add(r)
		end
		return self
	end
end
