-- Pulls jobs and does them, one at a time. What a job can be is in CMD.

local skynet = require "skynet"

local dispatcher = tonumber((...))

local CMD = {}

function CMD.sum(...)
	local sum = 0
	for _, word in ipairs { ... } do
		sum = sum + assert(tonumber(word), "not a number: " .. word)
	end
	return sum
end

function CMD.upper(...)
	return table.concat({ ... }, " "):upper()
end

local function run(line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	local f = assert(CMD[words[1]], "commands are: sum NUMBERS, upper WORDS")
	return "= " .. f(table.unpack(words, 2))
end

skynet.start(function()
	skynet.fork(function()
		while true do
			local number, line = skynet.call(dispatcher, "lua", "pull")
			local ok, result = pcall(run, line)
			if not ok then
				result = "ERROR " .. result:gsub("^%S+:%d+: ", "")
			end
			skynet.send(dispatcher, "lua", "done", number, result)
		end
	end)
end)
