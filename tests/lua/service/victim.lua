-- A service that loops, blocks, sorts or answers, on request.

local skynet = require "skynet"

local count = 0

local function spin_here()
	while true do
		count = count + 1
	end
end

local CMD = {}

function CMD.spin()
	spin_here()
end

function CMD.sort()
	local list = { 3, 1, 2 }
	table.sort(list, function(a, b)
		return a < b
	end)
	return list[1]
end

function CMD.sleep()
	local mine = 1
	skynet.sleep(2)
	return mine + 1
end

function CMD.fail(what)
	error("failed " .. what)
end

function CMD.add(a, b)
	local sum = a + b
	count = count + 1
	return sum
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = CMD[cmd]
		skynet.retpack(f(...))
	end)
end)
