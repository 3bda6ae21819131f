-- Who waits for whom: a line for each call that is open somewhere in the node.

local skynet = require "skynet"
local welkin = require "welkin"

---@return string|nil  lines; nil when nobody waits
return function()
	local lines = {}
	for _, wait in ipairs(welkin.waits()) do
		local fields = {
			"from:" .. skynet.address(wait.from),
			"to:" .. skynet.address(wait.to),
			"type:" .. tostring(wait.proto),
			"session:" .. wait.session,
			string.format("for:%.1fs", wait.ms / 1000),
		}
		if wait.cycle then
			fields[#fields + 1] = "cycle:" .. wait.cycle
		end
		lines[#lines + 1] = table.concat(fields, "\t")
	end
	return #lines > 0 and table.concat(lines, "\n") or nil
end
