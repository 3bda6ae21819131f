-- Three services want the same printer, and only one of them behaves. All get it in the end.

local skynet = require "skynet"
require "skynet.manager"

local this
local printed = 0

local CMD = {}

function CMD.printing(source, how)
	if how == "hanging" then
		skynet.error("killing", skynet.address(source))
		skynet.kill(source)
	end
	printed = printed + 1
	if printed == 3 then
		skynet.wakeup(this)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, source, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(source, ...)
	end)
	-- Starts `lock`, and from now on it is told of every service that ends. A node has one such service.
	local lock = skynet.monitor "lock"
	for _, how in ipairs { "forgetful", "hanging", "properly" } do
		local worker = skynet.newservice("worker", how, skynet.self())
		skynet.send(worker, "lua", "work", lock)
	end
	this = coroutine.running()
	skynet.wait(this)

	skynet.call(lock, "lua", "acquire", "printer")
	skynet.error "the printer is free again"
	skynet.abort()
end)
