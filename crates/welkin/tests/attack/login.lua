-- A login server that knows nobody.

local login = require "snax.loginserver"

login {
	host = "127.0.0.1",
	port = (require "skynet").getenv "login_port",
	instance = 2,
	auth_handler = function()
		error "nobody is known"
	end,
	login_handler = function() end,
	command_handler = function() end,
}
