-- Critical sections: functions of one service, run one after the other.
--
-- A handler that blocks lets the next request in. `queue()` gives a function that runs what it is given only
-- when all that was given before has ended, errors included. The coroutine inside may enter again. Entering and
-- leaving are native; this file keeps the line of those who wait.

local skynet = require "skynet"
local section = require "welkin.section"

local running, status = coroutine.running, coroutine.status
local wait, wakeup = skynet.wait, skynet.wakeup

---@class skynet.queue.Line
---@field granted thread|nil  whose turn it is
---@field first integer       index of the first waiting coroutine
---@field last integer        index of the last one; waiting ones are the array items first..last

-- Waits until it is the running coroutine's turn.
---@param line skynet.queue.Line
local function enter(line)
	local co = running()
	local at = line.last + 1
	line.last = at
	line[at] = co
	repeat
		-- A place where nothing can wait, such as a main file: nobody shall wait for this coroutine then.
		local ok, err = pcall(wait, co)
		if not ok then
			line[at] = false
			error(err, 0)
		end
	until line.granted == co
end

-- Wakes the next one, and says who it is.
---@param line skynet.queue.Line
---@return thread|nil
local function pass(line)
	while line.first <= line.last do
		local co = line[line.first]
		line[line.first] = nil
		line.first = line.first + 1
		if co and status(co) ~= "dead" then
			line.granted = co
			wakeup(co)
			return co
		end
	end
	line.granted = nil
end

local function raise(err)
	error(err)
end

---@return fun(f: function, ...: any): ...  runs `f(...)` in the section and returns its results; errors pass through
local function queue()
	return section({ first = 1, last = 0 }, enter, pass, debug.traceback, raise)
end

skynet.queue = queue

return queue
