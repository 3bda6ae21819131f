-- Two coroutines load two modules that require each other: one is told of the circle, nobody waits for ever.

local skynet = require "skynet"
local check = require "check"

local sources = {
	["test.left"] = [[ require("skynet").sleep(1) return require "test.right" ]],
	["test.right"] = [[ require("skynet").sleep(1) return require "test.left" ]],
}

table.insert(package.searchers, 2, function(name)
	local source = sources[name]
	return source and load(source, "=" .. name) or "no test module"
end)

check.main(function()
	local left, right
	skynet.fork(function() left = { pcall(require, "test.left") } end)
	skynet.fork(function() right = { pcall(require, "test.right") } end)
	check.await(function() return left and right end)
	check.that("neither is loaded", not left[1] and not right[1])
	local text = left[2] .. right[2]
	check.that("the circle is named", text:find("circular dependency", 1, true))
end)
