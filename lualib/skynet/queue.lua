-- Critical sections: functions of one service, run one after the other.
--
-- A handler that blocks lets the next request in. `queue()` gives a function that runs what it is given only
-- when all that was given before has ended, errors included. The coroutine inside may enter again.

local skynet = require "skynet"

local running = coroutine.running
local traceback = debug.traceback

---@class skynet.queue.Section
---@field holder thread|nil  the coroutine inside
---@field depth integer      how often it entered
---@field first integer      index of the first waiting coroutine
---@field last integer       index of the last one; waiting ones are the array items first..last

-- Hands the section to the next in line before anybody else can run, so nobody overtakes.
local function leave(section)
	local depth = section.depth - 1
	section.depth = depth
	if depth > 0 then
		return
	end
	local first = section.first
	local next_holder = section[first]
	section.holder = next_holder
	if next_holder then
		section[first] = nil
		section.first = first + 1
		skynet.wakeup(next_holder)
	end
end

local function finish(section, ok, ...)
	leave(section)
	if not ok then
		error((...))
	end
	return ...
end

---@return fun(f: function, ...: any): ...  runs `f(...)` in the section and returns its results; errors pass through
local function queue()
	---@type skynet.queue.Section
	local section = { holder = nil, depth = 0, first = 1, last = 0 }
	return function(f, ...)
		local co = running()
		if section.holder == nil then
			section.holder = co
		elseif section.holder ~= co then
			local last = section.last + 1
			section.last = last
			section[last] = co
			repeat
				skynet.wait(co)
			until section.holder == co
		end
		section.depth = section.depth + 1
		return finish(section, xpcall(f, traceback, ...))
	end
end

skynet.queue = queue

return queue
