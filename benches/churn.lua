-- Resident memory before and after services came and went: `services` in all, `wave` alive at a time.
--
-- Several coroutines start them, so that both workers make and end services, also those the other made.

local skynet = require "skynet"
local measure = require "measure"

local count = math.tointeger(tonumber(skynet.getenv "services"))
local wave = math.tointeger(tonumber(skynet.getenv "wave"))
local LANES = 4

---@param number integer  how many this lane starts and ends
local function lane(number)
	local alive = {}
	for i = 1, number do
		alive[i] = skynet.newservice "bystander"
	end
	for _, address in ipairs(alive) do
		skynet.call(address, "lua")
	end
end

--- Runs the lanes side by side until all have ended.
local function run_wave()
	local running, waiting = LANES, coroutine.running()
	for _ = 1, LANES do
		skynet.fork(function()
			lane(wave // LANES)
			running = running - 1
			if running == 0 then
				skynet.wakeup(waiting)
			end
		end)
	end
	skynet.wait(waiting)
end

measure.run(function()
	measure.report("before", measure.settled(), "B")
	for _ = 1, count // wave do
		run_wave()
	end
	collectgarbage()
	measure.report("after", measure.settled(), "B")
end)
