-- What Welkin has beyond skynet, for programs that ask for it: calls with a deadline, who waits for whom, and the
-- node's readiness and end.
--
-- A program that is to run on skynet too tests for it by `pcall(require, "welkin")`.

local skynet = require "skynet"
local native = require "welkin.native"

local M = {}

-- A service that does not say who it waits for within this time is left out: it is in the middle of a long message,
-- or takes its messages itself.
local ASK_MS = 1000

---@type string  as `welkin --version` says it
M.version = native.version

---`skynet.call` that raises `call timeout: <ms> ms, <target> <name>, message <type>` when no answer comes in time.
---An answer that comes later is dropped; the other service is not stopped.
---@type fun(ms: integer, addr: integer|string, proto: string, ...: any): ...
M.call_within = native.call_within

---`f` runs, and may block, when the node drains to end: after SIGTERM, SIGINT or `welkin stop`. Services in reverse
---order of their start, one after the other; several functions of a service last first. All together have
---`welkin_exit_ms`. Errors are logged and hold up nothing.
---@param f fun()
function M.on_exit(f)
	require("welkin.hooks").add("exit", f)
end

---`f` runs, and may block, when draining begins (also by `welkin drain`, after which the node goes on), before the
---listeners are closed; in all services at the same time, several functions of a service first to last.
---@param f fun()
function M.on_drain(f)
	require("welkin.hooks").add("drain", f)
end

---`f` gives the number of players of this service: a whole number. `welkin status` and the fleet show the sum of all.
---@param f fun(): integer
function M.online(f)
	require("welkin.hooks").add("online", f)
end

---With the config key `welkin_ready = "manual"` the node is ready from now on; otherwise without effect.
---@type fun()
M.ready = native.ready

---Whether the node was told to take no new work: it drains, be it to end or for a time.
---@type fun(): boolean
M.draining = native.draining

---@class welkin.Wait  one call that waits for its answer
---@field from integer  who called
---@field to integer  who is to answer; 0: it was called by a global name
---@field proto string|nil  type of the message
---@field session integer  of `from`
---@field ms integer  since the message began in which the call was made
---@field traceback string  where it waits
---@field cycle integer|nil  number of the cycle this wait is part of: everybody in it waits for the next

-- Adds the waits of one service to `list`.
local function ask(addr, list)
	local ok, waits
	if addr == skynet.self() then
		ok, waits = true, native.open_calls()
	else
		ok, waits = pcall(native.call_within, ASK_MS, addr, "debug", "welkin.waits")
	end
	for _, wait in ipairs(ok and waits or {}) do
		if wait then
			wait.from = addr
			list[#list + 1] = wait
		end
	end
end

local function ask_all(list)
	-- First, as the questions to the others are calls themselves.
	ask(skynet.self(), list)
	local left, waiting = 0, coroutine.running()
	for _, addr in ipairs(native.services()) do
		if addr ~= skynet.self() then
			left = left + 1
			skynet.fork(function()
				ask(addr, list)
				left = left - 1
				if left == 0 then
					skynet.wakeup(waiting)
				end
			end)
		end
	end
	if left > 0 then
		skynet.wait(waiting)
	end
end

-- Marks the waits that lie on a cycle, by Tarjan's strongly connected components: two services are in one component
-- when each waits for the other, be it over third ones.
local function mark_cycles(list)
	local edges = {}
	for _, wait in ipairs(list) do
		local out = edges[wait.from] or {}
		edges[wait.from] = out
		out[#out + 1] = wait
	end
	local number, low, component = {}, {}, {}
	local stack, count, components = {}, 0, 0

	local function visit(addr)
		count = count + 1
		number[addr], low[addr] = count, count
		stack[#stack + 1] = addr
		for _, wait in ipairs(edges[addr] or {}) do
			local to = wait.to
			if number[to] == nil then
				visit(to)
				low[addr] = math.min(low[addr], low[to])
			elseif component[to] == nil then
				low[addr] = math.min(low[addr], number[to])
			end
		end
		if low[addr] == number[addr] then
			components = components + 1
			repeat
				local member = table.remove(stack)
				component[member] = components
			until member == addr
		end
	end

	for _, wait in ipairs(list) do
		if number[wait.from] == nil then
			visit(wait.from)
		end
	end
	-- Numbered 1, 2, ... in the order of the list; a component of one service has no wait inside, unless for itself.
	local cycles, n = {}, 0
	for _, wait in ipairs(list) do
		local inside = component[wait.from]
		if inside == component[wait.to] then
			if cycles[inside] == nil then
				n = n + 1
				cycles[inside] = n
			end
			wait.cycle = cycles[inside]
		end
	end
end

---Who waits for whom, in the whole node or (with `addr`) one service. Asks the services, so it blocks; calls of this
---function itself are not in the list.
---@param addr integer|nil
---@return welkin.Wait[]  cycles first, then who waits longest
function M.waits(addr)
	local list = {}
	if addr then
		ask(addr, list)
	else
		ask_all(list)
	end
	mark_cycles(list)
	table.sort(list, function(a, b)
		if a.cycle ~= b.cycle then
			return (a.cycle or math.huge) < (b.cycle or math.huge)
		elseif a.ms ~= b.ms then
			return a.ms > b.ms
		elseif a.from ~= b.from then
			return a.from < b.from
		end
		return a.session < b.session
	end)
	return list
end

return M
