-- A service that asks for shared tables and ends when it is told to.

local skynet = require "skynet"
local sharetable = require "skynet.sharetable"

local command = {}

function command.query(name)
	sharetable.query(name)
end

function command.value(name)
	skynet.ret(skynet.pack(sharetable.query(name).v))
end

function command.exit()
	skynet.ret()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		command[what](...)
	end)
end)
