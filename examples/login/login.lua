-- The login server: who may come in, and where to.
--
-- Several services run this file. One, the master, has the name `.login` and calls `login_handler` and
-- `command_handler`; the others talk with the clients and call `auth_handler`.

local skynet = require "skynet"
local crypt = require "skynet.crypt"

-- Known to the master only.
---@type table<string, integer>  message servers by name
local servers = {}
---@type table<string, { server: integer, subid: string }>  who is online
local online = {}

local CMD = {}

function CMD.register(name, address)
	servers[name] = address
end

function CMD.logout(uid, subid)
	if online[uid] and online[uid].subid == subid then
		online[uid] = nil
	end
end

require "snax.loginserver" {
	host = "127.0.0.1",
	port = skynet.getenv "login_port",
	name = "login",
	instance = 2,

	-- The token is the program's to define; here it is `user@server:password`, each in base64. A real server looks
	-- the password up. It may block, as the other services go on.
	auth_handler = function(token)
		local user, server, password = token:match "^([^@]+)@([^:]+):(.+)$"
		assert(user, "not a token")
		assert(crypt.base64decode(password) == "secret", "wrong password")
		return crypt.base64decode(server), crypt.base64decode(user)
	end,

	-- Who is online already is thrown out first. What is returned goes to the client.
	login_handler = function(server, uid, secret)
		local address = assert(servers[server], "unknown server")
		local last = online[uid]
		if last then
			skynet.call(last.server, "lua", "kick", uid, last.subid)
		end
		local subid = skynet.call(address, "lua", "login", uid, secret)
		online[uid] = { server = address, subid = subid }
		return subid
	end,

	command_handler = function(command, ...)
		local f = assert(CMD[command], "unknown command")
		return f(...)
	end,
}
