-- Calls HUB2 again and again and tells how it goes whenever that changes.

local skynet = require "skynet"

skynet.start(function()
	skynet.error "READY"
	skynet.fork(function()
		local last
		for i = 1, math.huge do
			local ok, answer = pcall(skynet.call, "HUB2", "lua", "echo", i)
			local state = ok and answer == i and "CALLS SUCCEED" or "CALLS FAIL"
			if state ~= last then
				skynet.error(state)
				last = state
			end
			skynet.sleep(1)
		end
	end)
end)
