-- A program that is started again and again is copied from an image instead of made: it cannot tell.

local skynet = require "skynet"
local cache = require "skynet.codecache"
local check = require "check"

local STARTS = 60

local function start(seed)
	local service = skynet.newservice("started_often", "said:", seed)
	local told = skynet.call(service, "lua", "tell")
	local memory = skynet.call(service, "lua", "memory")
	skynet.kill(service)
	return told, memory
end

check.main(function()
	local said, first_memory = {}, nil
	for seed = 1, 3 do
		local memory
		said[seed], memory = start(seed)
		first_memory = first_memory or memory
	end
	check.that("it did its work", said[1]:find "^said:kept 49%d" and said[1]:find "unpacked text")

	local strange, last_memory = 0, nil
	for i = 1, STARTS do
		local told, memory = start(i % 3 + 1)
		if told ~= said[i % 3 + 1] then
			strange = strange + 1
		end
		last_memory = memory
	end
	check.equal("each says the same", strange, 0)
	check.that("the last ones were copied: what loading leaves behind is not there", last_memory < first_memory)

	local together, ended = {}, 0
	for i = 1, 20 do
		skynet.fork(function()
			together[i] = start(1) == said[1]
			ended = ended + 1
		end)
	end
	check.await(function() return ended == 20 end)
	for i = 1, 20 do
		check.that("also when many start at once", together[i])
	end

	cache.clear()
	local _, memory = start(1)
	check.that("the file is read again after clear", memory > last_memory)
	for _ = 1, STARTS do
		strange = strange + (start(2) == said[2] and 0 or 1)
	end
	check.equal("and copied again", strange, 0)
end)
