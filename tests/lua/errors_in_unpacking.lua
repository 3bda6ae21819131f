-- What cannot be unpacked fails where it is unpacked.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	check.fails("a response that is no packed data raises in the caller", "Invalid serialize stream",
		skynet.call, peer, "lua", "bytes", "\6\255\255")
	check.fails("a response that is cut", "Invalid serialize stream", skynet.call, peer, "lua", "bytes", "\42\65")
	check.equal("an empty response is no values", select("#", skynet.call(peer, "lua", "bytes", "")), 0)

	skynet.register_protocol { name = "unreadable", id = 100, pack = skynet.pack, unpack = skynet.unpack }
	local result
	skynet.fork(function() result = { pcall(skynet.call, peer, "unreadable", 1) } end)
	check.equal("the service goes on after a request that it cannot unpack",
		skynet.call(peer, "lua", "echo", "alive"), "alive")
	check.equal("its caller gets no answer", result, nil)
	check.equal("and nothing was dispatched", skynet.call(peer, "lua", "notes"), {})
	pcall(skynet.call, peer, "lua", "exit")
	check.await(function() return result end)
	check.equal("until the service exits", result[1], false)

	check.fails("a nil pointer", "deserialize null pointer", skynet.unpack, 5, 1)
	check.equal("no data, no values", select("#", skynet.unpack ""), 0)
end)
