-- Starts services by lines typed on the node's standard input: `name args`, or `snax name args`.

local skynet = require "skynet"
local socket = require "skynet.socket"

local function run(line)
	local words = {}
	for word in line:gmatch "%S+" do
		words[#words + 1] = word
	end
	if words[1] == nil then
		return
	end
	if words[1] == "snax" then
		local ok, err = pcall(require("skynet.snax").newservice, table.unpack(words, 2))
		if not ok then
			skynet.error(err)
		end
	else
		pcall(skynet.newservice, line)
	end
end

skynet.start(function()
	skynet.fork(function()
		local stdin = socket.stdin()
		if stdin == nil then
			return
		end
		local line = socket.readline(stdin)
		while line do
			run(line)
			line = socket.readline(stdin)
		end
	end)
end)
