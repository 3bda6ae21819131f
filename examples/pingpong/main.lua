-- Starts `pong`, talks to it in both ways a service can, and ends the node.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	local pong = skynet.newservice("pong", "Hello")
	skynet.error("main is", skynet.address(skynet.self()), "and pong is", skynet.address(pong))

	-- A call waits for the answer. Other messages of this service go on meanwhile.
	for i = 1, 3 do
		skynet.error("answer:", skynet.call(pong, "lua", "ping", i))
	end

	-- A send does not wait; the messages of one sender arrive in order.
	skynet.send(pong, "lua", "note", "first")
	skynet.send(pong, "lua", "note", "second")
	skynet.error("notes:", table.concat(skynet.call(pong, "lua", "notes"), ", "))

	-- An error in a handler is logged there, and fails the call here.
	local ok, err = pcall(skynet.call, pong, "lua", "nonsense")
	skynet.error("nonsense:", ok, err)

	-- A service that ends fails the calls that wait for it.
	ok, err = pcall(skynet.call, pong, "lua", "stop")
	skynet.error("stop:", ok, err)

	skynet.abort()
end)
