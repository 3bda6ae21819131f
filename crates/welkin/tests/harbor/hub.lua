-- A node that serves: a global service HUB<id>, whose address is told when the node is ready.

local skynet = require "skynet"
require "skynet.manager"

local CMD = {}

function CMD.echo(...)
	return ...
end

function CMD.hang()
	skynet.wait()
end

function CMD.make(size)
	return ("x"):rep(size)
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, command, ...)
		if session ~= 0 then
			skynet.retpack(CMD[command](...))
		end
	end)
	skynet.register("HUB" .. skynet.getenv "harbor")
	print("READY " .. skynet.self())
end)
