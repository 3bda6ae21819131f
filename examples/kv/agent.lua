-- Serves one client of the line protocol: a command a line (see commands.lua), and one line back for each.
-- `quit` answers BYE and closes the connection.

local skynet = require "skynet"
local socket = require "skynet.socket"
local answer = require "commands"

local LINE_BYTES_MAX = 64 * 1024

local id, from = ...
id = tonumber(id)

local function serve()
	local line = socket.readline(id)
	while line do
		line = line:match "^(.-)\r?$"
		if line == "quit" then
			socket.write(id, "BYE\n")
			return
		end
		socket.write(id, answer(line) .. "\n")
		line = socket.readline(id)
	end
end

skynet.start(function()
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
