-- What our benches share: their figures go to standard output, one line each, for `cargo xtask bench`.
--
-- Only what skynet has as well is used, so that the same programs run there for comparison.

local skynet = require "skynet"

local measure = {}

--- Checks of a figure that must agree before it counts as settled, one a second.
local SETTLED_COUNT = 3
--- Checks after which a figure that still moves is taken as it is.
local CHECKS_MAX = 30

---@param line string
local function say(line)
	io.stdout:write(line, "\n")
	io.stdout:flush()
end

---@return integer bytes  resident memory of this process
function measure.resident()
	for line in io.lines("/proc/self/status") do
		local kib = line:match("^VmRSS:%s+(%d+) kB")
		if kib then
			return math.tointeger(tonumber(kib)) * 1024
		end
	end
	error("/proc/self/status has no VmRSS: benches need Linux")
end

--- Waits until resident memory has come to rest (memory is given back some time after it was freed).
---@return integer bytes
function measure.settled()
	local last, agreed = measure.resident(), 1
	for _ = 1, CHECKS_MAX do
		skynet.sleep(100)
		local now = measure.resident()
		agreed = math.abs(now - last) <= 64 * 1024 and agreed + 1 or 1
		last = now
		if agreed >= SETTLED_COUNT then
			break
		end
	end
	return last
end

---@param name string
---@param value number
---@param unit string
function measure.report(name, value, unit)
	say(("RESULT %s %.9g %s"):format(name, value, unit))
end

--- Says that the node is up and does what the bench is about; the driver measures from here.
function measure.ready()
	say("READY")
end

--- Runs `body` as the start service of a node; the node stays until the driver ends it.
---@param body fun()
function measure.run(body)
	skynet.start(function()
		skynet.fork(function()
			local good, why = xpcall(body, debug.traceback)
			say(good and "END" or "FAILED " .. tostring(why):gsub("\n", " / "))
		end)
	end)
end

return measure
