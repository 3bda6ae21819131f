-- A message server with one user, who never comes.

local msgserver = require "snax.msgserver"

local function nothing() end

msgserver.start {
	login_handler = nothing,
	logout_handler = nothing,
	kick_handler = nothing,
	request_handler = nothing,
	register_handler = function()
		msgserver.login(msgserver.username("user", 1, "game"), "secret")
	end,
}
