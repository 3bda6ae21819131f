-- A client of the board, itself a service: sends one command, prints the answer, ends its node.
--
--   welkin run examples/message_board/client.lua HOST:PORT set WORDS...
--   welkin run examples/message_board/client.lua HOST:PORT get

local skynet = require "skynet"
local socket = require "skynet.socket"
local lines = require "lines"
require "skynet.manager"

local arguments = { ... }

local function talk(id)
	local command = arguments[2] or "get"
	local line, last = command, "^END$"
	if command == "set" then
		line, last = "set " .. lines.escape(table.concat(arguments, " ", 3)), "^OK"
	end
	socket.write(id, line .. "\n")
	repeat
		local answer = assert(socket.readline(id, "\n"), "the board has closed the connection")
		print(answer)
	until answer:find(last) or answer:find "^ERROR"
end

skynet.start(function()
	talk(assert(socket.open(arguments[1])))
	skynet.abort()
end)
