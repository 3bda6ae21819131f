-- `skynet.request`: a response that cannot be unpacked counts as failed, and the others still come.

local skynet = require "skynet"
local check = require "check"

check.main(function()
	local peer = skynet.newservice "peer"
	local before = skynet.task()
	local good, bad = { peer, "lua", "echo", 1 }, { peer, "lua", "bytes", "\6\255\255" }
	local answers = {}
	for req, resp in skynet.request(bad)(good):select() do
		answers[req] = resp
	end
	check.equal("the bad one", answers[bad], false)
	check.equal("the good one", answers[good], { 1, n = 1 })
	local obj = skynet.request(bad) { peer, "lua", "never" }
	for _, resp in obj:select(2) do
		check.equal("with a time limit", resp, false)
	end
	check.equal("which holds", obj.timeout, true)
	check.equal("nothing is left behind", skynet.task(), before)
end)
