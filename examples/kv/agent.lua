-- Serves one client: lines in, one line out for each.
--
--   set KEY VALUE   OK            (the value goes to the end of the line)
--   get KEY         = VALUE       or NONE
--   quit            BYE, and the connection is closed

local skynet = require "skynet"
local socket = require "skynet.socket"

local LINE_BYTES_MAX = 64 * 1024

local id, from = ...
id = tonumber(id)

---@type integer
local store

local CMD = {}

function CMD.set(rest)
	local key, value = rest:match "^(%S+) (.*)$"
	if key == nil then
		return "ERROR usage: set KEY VALUE"
	end
	skynet.call(store, "lua", "set", key, value)
	return "OK"
end

function CMD.get(rest)
	local key = rest:match "^(%S+)$"
	if key == nil then
		return "ERROR usage: get KEY"
	end
	local value = skynet.call(store, "lua", "get", key)
	return value and "= " .. value or "NONE"
end

local function answer(line)
	local word, rest = line:match "^(%S*) ?(.-)\r?$"
	local f = CMD[word]
	if f then
		return f(rest)
	end
	return "ERROR commands are: set KEY VALUE, get KEY, quit"
end

local function serve()
	local line = socket.readline(id)
	while line do
		if line:match "^quit\r?$" then
			socket.write(id, "BYE\n")
			return
		end
		socket.write(id, answer(line) .. "\n")
		line = socket.readline(id)
	end
end

skynet.start(function()
	store = skynet.queryservice "store"
	skynet.fork(function()
		if socket.start(id) then
			skynet.error("client", from)
			socket.limit(id, LINE_BYTES_MAX)
			serve()
			socket.close(id)
		end
		skynet.exit()
	end)
end)
