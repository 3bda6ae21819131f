-- `skynet.datacenter`: a tree of keys, and waiting for one.

local skynet = require "skynet"
local datacenter = require "skynet.datacenter"
local check = require "check"

check.main(function()
	check.equal("set gives the old value", { datacenter.set("a", "b", 1), datacenter.set("a", "b", 2) }, { nil, 1 })
	check.equal("get", datacenter.get("a", "b"), 2)
	check.equal("a branch is a table", datacenter.get "a", { b = 2 })
	check.equal("a missing path", datacenter.get("a", "x", "y"), nil)
	datacenter.set("a", { c = { d = 3 } })
	check.equal("a table is a branch", datacenter.get("a", "c", "d"), 3)
	check.equal("nil removes", { datacenter.set("a", "c", nil), datacenter.get "a" }, { { d = 3 }, {} })
	check.fails("through a value", "call failed", function()
		datacenter.set("n", 1)
		datacenter.set("n", "x", 2)
	end)

	local log = {}
	local function wait(...)
		local path = table.pack(...)
		skynet.fork(function()
			local ok, value = pcall(datacenter.wait, table.unpack(path, 1, path.n))
			log[#log + 1] = ok and value or "failed"
		end)
		skynet.yield()
	end
	check.equal("a value that is there", datacenter.wait("n"), 1)
	wait("w", "x")
	wait("w", "x")
	datacenter.set("w", "y", 1)
	datacenter.set("w", { x = 1 })
	check.equal("others do not wake", log, {})
	datacenter.set("w", "x", nil)
	datacenter.set("w", "x", "now")
	check.await(function() return #log == 2 end)
	check.equal("all wake", log, { "now", "now" })

	log = {}
	wait "branch"
	datacenter.set("branch", "leaf", 1)
	check.await(function() return #log == 1 end)
	check.equal("waiting for what becomes a branch", log, { "failed" })
	wait("deep", "er")
	check.fails("above a path that is waited for", "call failed", datacenter.wait, "deep")
	check.fails("below it", "call failed", datacenter.wait, "deep", "er", "still")
	datacenter.set("deep", "er", "found")
	check.await(function() return #log == 2 end)
	check.equal("the first goes on", log[2], "found")
end)
