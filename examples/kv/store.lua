-- Holds the values. Messages are handled one at a time, so there is nothing to lock.

local skynet = require "skynet"

---@type table<string, string>
local values = {}

local CMD = {}

function CMD.get(key)
	return values[key]
end

function CMD.set(key, value)
	values[key] = value
	return true
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		skynet.ret(skynet.pack(CMD[cmd](...)))
	end)
end)
