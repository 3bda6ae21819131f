-- Deadlines, TLS, and a log of what is slow, for all drivers that talk over a `skynet.socketchannel`.
--
-- A request that takes too long ends with its connection: nobody could tell the answers on it apart any more, and a
-- server that is stuck would hold all that come behind. Who waits beside it gets `socketchannel.error`, and the next
-- request connects again. Without a limit in the config nothing is put between the driver and its channel.

local skynet = require "skynet"

local CONNECT_TIMEOUT_MS = 10000
-- Of a request, in the log.
local TEXT_BYTES_MAX = 200

local limits = {}

local function positive(conf, key, default)
	local value = conf[key]
	if value == nil then
		return default
	elseif math.type(value) ~= "integer" or value < 0 then
		error(string.format("%s = %s: a number of milliseconds is expected, 0 for none", key, tostring(value)), 0)
	end
	return value > 0 and value or nil
end

---@param conf table
---@return integer|nil  nil: none
function limits.connect_timeout_ms(conf)
	return positive(conf, "connect_timeout_ms", CONNECT_TIMEOUT_MS)
end

---What a channel needs to be secret, if it shall be.
---@param conf table  `tls`: true, or options
---@return welkin.tls.Client|nil
function limits.tls(conf)
	if conf.tls then
		return require "welkin.tls".client(conf.tls)
	end
end

local function now_ms()
	return skynet.hpc() // 1000000
end

local function short(text)
	text = text:gsub("%c", " ")
	return #text > TEXT_BYTES_MAX and text:sub(1, TEXT_BYTES_MAX) .. "..." or text
end

-- Requests in the order in which they began, which is that of their deadlines.
---@class welkin.db.limits.Queue
---@field first integer
---@field last integer
---@field watched boolean|nil  a coroutine waits for the first deadline

-- Ends the connection at the deadline of the first request that has one and is not done.
local function watch(queue, channel)
	while queue.first <= queue.last do
		local entry = queue[queue.first]
		local left = entry.deadline - now_ms()
		if left > 0 then
			skynet.sleep((left + 9) // 10)
		else
			entry.expired = true
			entry.done = true
			queue[queue.first] = nil
			queue.first = queue.first + 1
			channel:changehost(channel.host)
		end
		while queue.first <= queue.last and queue[queue.first].done do
			queue[queue.first] = nil
			queue.first = queue.first + 1
		end
	end
	queue.watched = nil
end

local function begin(queue, channel, timeout_ms)
	local entry = { deadline = now_ms() + timeout_ms }
	queue.last = queue.last + 1
	queue[queue.last] = entry
	if not queue.watched then
		queue.watched = true
		skynet.fork(watch, queue, channel)
	end
	return entry
end

local function finish(queue, entry)
	entry.done = true
	while queue.first <= queue.last and queue[queue.first].done do
		queue[queue.first] = nil
		queue.first = queue.first + 1
	end
end

---Puts the limits of `conf` between a driver and its channel.
---@param channel skynet.socketchannel.Channel
---@param conf table  `query_timeout_ms`, `slow_ms`
---@param describe fun(request: string|string[]): string  for people
function limits.install(channel, conf, describe)
	local timeout_ms = positive(conf, "query_timeout_ms")
	local slow_ms = positive(conf, "slow_ms")
	if timeout_ms == nil and slow_ms == nil then
		return
	end
	local plain = channel.request
	local queue = { first = 1, last = 0 }
	function channel:request(request, response, padding)
		if response == nil then
			return plain(self, request, response, padding)
		end
		local began = now_ms()
		local entry = timeout_ms and begin(queue, self, timeout_ms)
		local ok, result = pcall(plain, self, request, response, padding)
		if entry then
			finish(queue, entry)
		end
		local ms = now_ms() - began
		if slow_ms and ms >= slow_ms then
			local text = short(describe(request))
			skynet.error(string.format("slow query: %d ms at %s:%s: %s", ms, self.host, self.port, text))
		end
		if ok then
			return result
		elseif entry and entry.expired then
			local text = "query timeout: %d ms at %s:%s: %s"
			error(text:format(timeout_ms, self.host, self.port, short(describe(request))))
		end
		error(result, 0)
	end
end

return limits
