-- snax.hotfix: new methods for a living service, which go on with its variables.

local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"

check.main(function()
	local obj = snax.newservice("counter", 7)
	local results = table.pack(snax.hotfix(obj, [[
local n
local doubled
local mine = 100
function response.get()
	mine = mine + 1
	return n, doubled(), mine
end
function accept.add(d)
	n = n - d
end
function hotfix(...)
	n = n + 1
	return n, mine, ...
end
]], nil, "x"))
	check.equal("the patch's hotfix function runs last", results, { 8, 100, nil, "x", n = 4 })
	obj.post.add(3)
	check.equal("declared: the service's; with a value: its own", { obj.req.get() }, { 5, 10, 101 })
	check.equal("which it keeps", { obj.req.get() }, { 5, 10, 102 })
	check.equal("what was not patched sees the same", obj.req.doubled(), 10)

	snax.hotfix(obj, [[
local n
local function up(k)
	if k == 0 then return n end
	return up(k - 1) + 1
end
function response.down(k) return up(k) end
]])
	check.equal("a function that calls itself", obj.req.down(3), 8)

	check.fails("a name that is not there", "Patch mismatch response%.nosuch$", snax.hotfix, obj,
		"function response.doubled() return 'new' end function response.nosuch() end")
	check.equal("leaves all as it was", obj.req.doubled(), 10)
	check.fails("what does not compile", "attempt to call a nil value %(patch:1: ", snax.hotfix, obj, "not lua")
	check.fails("what fails", "patch:1: at top", snax.hotfix, obj, "error 'at top'")
	check.fails("no source", nil, snax.hotfix, obj)
	snax.hotfix(obj, "marked = 1 function response.get() return marked end")
	check.equal("globals of a patch stay there", obj.req.get(), nil)
	snax.hotfix(obj, "local was = marked function response.get() return was end")
	check.equal("where the next one finds them", obj.req.get(), 1)

	local log
	skynet.fork(function() log = obj.req.slow(3) end)
	skynet.yield()
	snax.hotfix(obj, "function response.slow() return 'new' end")
	check.await(function() return log end)
	check.equal("what is running ends as it began", log, "slept")
	check.equal("the next is new", obj.req.slow(), "new")

	snax.hotfix(obj, "local skynet = require 'skynet' function response.get() return skynet.self() end")
	check.fails("two variables of one name", "ambiguity local value skynet", snax.hotfix, obj,
		"function response.get() return 1 end")
	check.equal("nothing is replaced then", obj.req.get(), obj.handle)
end)
