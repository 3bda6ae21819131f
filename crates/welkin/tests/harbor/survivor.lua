-- Waits for a hundred answers of node 2 when that is killed, and calls node 3 all the while.

local skynet = require "skynet"
local harbor = require "skynet.harbor"

local function call(name, ...)
	return select(2, pcall(skynet.call, name, "lua", ...))
end

local function calls_of_others()
	local wrong = 0
	skynet.fork(function()
		for i = 1, math.huge do
			if call("HUB3", "echo", i) ~= i then
				wrong = wrong + 1
			end
		end
	end)
	return function()
		return wrong
	end
end

skynet.start(function()
	skynet.error "READY"
	skynet.fork(function()
		local hub = harbor.queryname "HUB2"
		harbor.queryname "HUB3"
		local wrong = calls_of_others()
		local left, failed = 100, 0
		for i = 1, left do
			skynet.fork(function()
				local ok, err = pcall(skynet.call, i % 2 == 0 and hub or "HUB2", "lua", "hang")
				if not ok and err:find "call failed$" then
					failed = failed + 1
				end
				left = left - 1
			end)
		end
		assert(call("HUB2", "echo", 5) == 5)
		skynet.error "WAITING"
		harbor.link(2)
		while left > 0 do
			skynet.sleep(1)
		end
		skynet.error("FAILED " .. failed)
		skynet.error("AGAIN " .. tostring(call("HUB2", "echo", 1)):match "call failed$")
		skynet.send("HUB2", "lua", "echo")
		skynet.send(hub, "lua", "echo")
		skynet.error("WRONG " .. wrong())
	end)
end)
