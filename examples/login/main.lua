-- Starts the login server, then the message server, which tells the login server that it is there.
--
-- A client proves to the first who it is and gets a session and a secret; with these it may connect to the second,
-- as often as its connection breaks.

local skynet = require "skynet"

local HOST = "127.0.0.1"

skynet.start(function()
	skynet.newservice "login"
	local port = tonumber(skynet.getenv "message_port")
	local messages = skynet.newservice "messages"
	skynet.call(messages, "lua", "open", {
		address = HOST,
		port = port,
		maxclient = 1000,
		nodelay = true,
		servername = "sample",
	})
	skynet.error(string.format("login: listening on %s:%s, messages at %s:%d", HOST, skynet.getenv "login_port", HOST, port))
end)
