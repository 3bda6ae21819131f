-- Calls that are answered when there is news, which may be in a second or never: the node's deadline for calls
-- (`welkin_call_timeout_ms`) is not meant for them.

local welkin = require "welkin"

-- The longest deadline there is; after it the same is asked again.
local LONGEST_MS = 24 * 60 * 60 * 1000

---As `skynet.call`, however long it takes.
---@param addr integer|string
---@param proto string
---@param ... any  the request, which may be sent several times
---@return any ...
return function(addr, proto, ...)
	local results
	repeat
		results = table.pack(pcall(welkin.call_within, LONGEST_MS, addr, proto, ...))
	until results[1] or not tostring(results[2]):find("call timeout", 1, true)
	if not results[1] then
		error(results[2], 0)
	end
	return table.unpack(results, 2, results.n)
end
