-- Connections whose peers have still to say who they are, and until when they may do so.
--
-- Everybody has the same time, so they fall due in the order they came: one queue and one timer, which is set only
-- while somebody is in the queue. The time is `welkin_login_timeout_ms` of the config.

local skynet = require "skynet"

local TIMEOUT_MS = 30000
local TICK_MS = 10

local handshakes = {}

---@type integer  milliseconds
handshakes.timeout_ms = math.tointeger(tonumber(skynet.getenv "welkin_login_timeout_ms")) or TIMEOUT_MS

local ticks = (handshakes.timeout_ms + TICK_MS - 1) // TICK_MS

---A queue of one's own. `expired(fd)` must not block.
---@param expired fun(fd: integer)
---@return fun(fd: integer) begin  the time of this connection begins
---@return fun(fd: integer) done   it is in time, or gone
function handshakes.new(expired)
	---@type table<integer, integer>
	local due = {}
	-- The queue: ids, and when each of them falls due. One that is done, or has begun again, stays in it.
	local fds, times = {}, {}
	local first, last = 1, 0
	local ticking = false

	local function sweep()
		local now = skynet.now()
		while first <= last do
			local fd, time = fds[first], times[first]
			local waiting = due[fd] == time
			if waiting and time > now then
				skynet.timeout(time - now, sweep)
				return
			end
			fds[first], times[first] = nil, nil
			first = first + 1
			if waiting then
				due[fd] = nil
				expired(fd)
			end
		end
		ticking = false
	end

	local function begin(fd)
		local time = skynet.now() + ticks
		last = last + 1
		fds[last], times[last] = fd, time
		due[fd] = time
		if not ticking then
			ticking = true
			skynet.timeout(ticks, sweep)
		end
	end

	local function done(fd)
		due[fd] = nil
	end

	return begin, done
end

return handshakes
