-- A client of the store, itself a service: sends commands, prints the answers, ends its node.
--
--   welkin run examples/kv/client.lua HOST:PORT [COMMANDS...]
--
-- COMMANDS are words such as `set color blue get color`; without any, lines are read from standard input.

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local args = { ... }

local WORDS = { set = 3, get = 2, quit = 1 }

-- Cuts the words into commands.
local function commands()
	local i = 2
	return function()
		local word = args[i]
		if word == nil then
			return nil
		end
		local n = WORDS[word] or 1
		local line = table.concat(args, " ", i, math.min(i + n - 1, #args))
		i = i + n
		return line
	end
end

local function typed_lines()
	local stdin = socket.stdin()
	return function()
		return stdin and socket.readline(stdin) or nil
	end
end

local function talk(id)
	for line in args[2] and commands() or typed_lines() do
		socket.write(id, line .. "\n")
		local answer = socket.readline(id)
		if not answer then
			print "the server has closed the connection"
			return
		end
		print(answer)
	end
end

local function run()
	if args[1] == nil then
		print "usage: client.lua HOST:PORT [COMMANDS...]"
		return
	end
	local id, err = socket.open(args[1])
	if id == nil then
		print(string.format("cannot connect to %s: %s", args[1], err))
		return
	end
	talk(id)
	socket.close(id)
end

skynet.start(function()
	skynet.fork(function()
		local ok, err = pcall(run)
		if not ok then
			print(err)
		end
		io.stdout:flush()
		skynet.abort()
	end)
end)
