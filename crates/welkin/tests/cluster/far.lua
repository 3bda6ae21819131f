-- A node that is called: says `PORT <port>` when its service `@echo` can be reached. The config key `port` asks for
-- a certain one.

local skynet = require "skynet"
local cluster = require "skynet.cluster"

local CMD = {}

function CMD.echo(...)
	return ...
end

function CMD.make(size)
	return ("x"):rep(size)
end

function CMD.collect()
	collectgarbage()
	return "ok"
end

function CMD.hold()
	skynet.wait()
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, cmd, ...)
		if session ~= 0 then
			skynet.retpack(CMD[cmd](...))
		end
	end)
	cluster.register "echo"
	local _, port = cluster.open(math.tointeger(skynet.getenv "port" or 0))
	skynet.error("PORT", port)
end)
