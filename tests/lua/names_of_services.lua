-- Local and global names.

local skynet = require "skynet"
local harbor = require "skynet.harbor"
local check = require "check"

check.main(function()
	local a, b = skynet.newservice "peer", skynet.newservice "peer"
	skynet.name(".a", a)
	check.equal("a local name", skynet.localname ".a", a)
	check.equal("serves as an address", skynet.call(".a", "lua", "echo", 1), 1)
	skynet.name(".a", b)
	check.equal("stays with its first holder", skynet.localname ".a", a)
	skynet.name(".second", a)
	check.equal("one service may have several", skynet.localname ".second", a)
	skynet.register ".me"
	check.equal("register", skynet.localname ".me", skynet.self())
	check.equal("an unknown name", select("#", skynet.localname ".nobody"), 0)
	check.fails("call to an unknown name", "call to invalid address .nobody$", skynet.call, ".nobody", "lua")
	check.equal("text address", skynet.call(skynet.address(a), "lua", "echo", 2), 2)

	skynet.kill(a)
	check.equal("names go with the service", select("#", skynet.localname ".second"), 0)
	skynet.name(".second", b)
	check.equal("and are free again", skynet.localname ".second", b)

	local found
	skynet.fork(function() found = harbor.queryname "GLOBAL" end)
	local answer
	skynet.fork(function() answer = skynet.call("GLOBAL", "lua", "echo", "queued") end)
	skynet.sleep(1)
	check.that("a global name is waited for", found == nil and answer == nil)
	skynet.name("GLOBAL", b)
	check.await(function() return found and answer end)
	check.equal("until it is registered", found, b)
	check.equal("messages sent before arrive", answer, "queued")
	skynet.name("GLOBAL", skynet.self())
	check.equal("the first one stays", skynet.call("GLOBAL", "lua", "echo", 3), 3)
	check.equal("queryname of a local name", harbor.queryname ".second", b)
	check.equal("that nobody has", harbor.queryname ".nobody", nil)
	for _, name in ipairs { ":1", "0x10", "12", "sixteen_letters_" } do
		check.fails("no name: " .. name, "assertion failed!$", skynet.register, name)
	end
end)
