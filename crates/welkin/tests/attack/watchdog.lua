-- The watchdog of a native gate: starts every connection and sends each package back.

local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local style, port = ...
local HEADER = { S = ">s2", L = ">s4" }
local CONNECTIONS_MAX = 4096

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = function(text)
		return text
	end,
	unpack = skynet.tostring,
	dispatch = function(_, gate, text)
		local fd, event, rest = text:match("^(%d+) (%a+) ?(.*)$")
		if event == "open" then
			skynet.send(gate, "text", "start " .. fd)
		elseif event == "data" then
			socket.write(tonumber(fd), string.pack(HEADER[style], rest))
		end
	end,
}

skynet.start(function()
	local own = skynet.address(skynet.self())
	local args = ("gate %s %s 127.0.0.1:%d 0 %d"):format(style, own, port, CONNECTIONS_MAX)
	assert(skynet.launch(args))
end)
