-- One session of the remote debugger: brings lines from a console to the service that is debugged.
--
-- The console must not hang when that service does, so the lines go through a channel which the service reads when
-- it gets to it. The agent ends with the session.

local skynet = require "skynet"
local debugchannel = require "skynet.debugchannel"

local channel, target

local CMD = {}

-- Answered when the session is over.
function CMD.start(address, fd)
	assert(channel == nil, "start more than once")
	skynet.error(string.format("Attach to :%08x", address))
	local pointer
	channel, pointer = debugchannel.create()
	target = address
	if pcall(skynet.call, address, "debug", "REMOTEDEBUG", fd, pointer) then
		skynet.ret(skynet.pack(true))
	else
		skynet.ret(skynet.pack(false, "Debugger attach failed"))
	end
	skynet.exit()
end

-- Answered when the session has begun. Fails when it has not: what was refused is answered before the ping.
function CMD.attached()
	skynet.call(target, "debug", "PING")
	skynet.ret()
end

function CMD.cmd(line)
	channel:write(line)
end

function CMD.ping()
	skynet.ret()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		CMD[cmd](...)
	end)
end)
