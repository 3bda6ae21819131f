-- Calls HUB2 with answers that can be checked, until the link is cut; then tells what came of the calls.

local skynet = require "skynet"
local harbor = require "skynet.harbor"

local CALLERS = 20

skynet.start(function()
	skynet.error "READY"
	skynet.fork(function()
		local hub = harbor.queryname "HUB2"
		local right, wrong, failed, left = 0, 0, 0, CALLERS
		for caller = 1, CALLERS do
			skynet.fork(function()
				local ok, a, b
				local i = 0
				repeat
					i = i + 1
					local text = (string.char(i % 256)):rep(i * caller * 7 % 5000)
					ok, a, b = pcall(skynet.call, hub, "lua", "echo", caller * 1000000 + i, text)
					if ok and (a ~= caller * 1000000 + i or b ~= text) then
						wrong = wrong + 1
					elseif ok then
						right = right + 1
					end
				until not ok
				failed = failed + 1
				left = left - 1
			end)
		end
		while left > 0 do
			skynet.sleep(1)
		end
		skynet.error(string.format("CALLS right %d wrong %d failed %d", right, wrong, failed))
	end)
end)
