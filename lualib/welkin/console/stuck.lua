-- Which services do not answer, and what they are doing.
--
-- A service in a loop is made to give way for a moment and notes where it is. One that is not seen anywhere sits in a
-- native function or a blocking call.

local skynet = require "skynet"
local inspect = require "welkin.inspect"

-- Hundredths of a second until all that can have noted where they are.
local NOTE_TICKS = 2

---@param ms integer  in one message for at least so long
---@return table<string, table>  address -> what is known
return function(ms)
	if inspect.stop_briefly(ms) then
		skynet.sleep(NOTE_TICKS)
	end
	local names = skynet.call(".launcher", "lua", "LIST")
	local result = {}
	for _, row in ipairs(inspect.stuck(ms)) do
		local address = skynet.address(row.address)
		result[address] = {
			["for"] = string.format("%.1fs", row.age),
			from = skynet.address(row.source),
			type = row.type,
			service = names[address],
			at = row.place ~= "" and row.place or "a native or blocking call",
			["function"] = row["function"] ~= "" and row["function"] or nil,
			waiting = row.waiting > 0 and row.waiting or nil,
		}
	end
	return result
end
