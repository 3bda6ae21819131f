-- A login server for the behaviour programs. Tokens are `user:server:password`, and servers are named for what
-- their login does.

local skynet = require "skynet"

local entered = {}

require "snax.loginserver" {
	host = "127.0.0.1",
	port = assert(skynet.getenv "test_login_port"),
	name = "test_login",
	instance = 2,
	auth_handler = function(token)
		local user, server, password = token:match "^(.-):(.-):(.*)$"
		assert(password == "right", "wrong password")
		return server, user
	end,
	login_handler = function(server, uid, secret)
		assert(server ~= "forbidden", "not there")
		entered[#entered + 1] = { server, uid, secret }
		if server == "slow" then
			skynet.wait "go on"
		elseif server == "nothing" then
			return nil
		end
		return "id of " .. uid
	end,
	command_handler = function(command, ...)
		if command == "entered" then
			local list = entered
			entered = {}
			return list
		elseif command == "go on" then
			skynet.wakeup "go on"
		else
			return command, ...
		end
	end,
}
