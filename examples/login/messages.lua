-- The message server: clients that have logged in ask, over connections that may break.
--
-- The game is to add numbers: `add N` answers the sum so far. A client that did not see an answer asks again with
-- the same session number; the server then sends the answer it has kept, and does not add a second time.

local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local servername
local last_subid = 0
---@type table<string, number>  by user name
local sums = {}

local function leave(uid, subid)
	local username = msgserver.username(uid, subid, servername)
	msgserver.logout(username)
	sums[username] = nil
	skynet.call(".login", "lua", "logout", uid, subid)
end

msgserver.start {
	-- When the gate is open: the login server may send users from now on.
	register_handler = function(name)
		servername = name
		skynet.call(".login", "lua", "register", name, skynet.self())
	end,

	-- The login server has let somebody in.
	login_handler = function(uid, secret)
		last_subid = last_subid + 1
		local subid = tostring(last_subid)
		local username = msgserver.username(uid, subid, servername)
		msgserver.login(username, secret)
		sums[username] = 0
		return subid
	end,

	logout_handler = leave,
	kick_handler = leave,

	disconnect_handler = function(username)
		skynet.error("lost the connection of", (msgserver.userid(username)))
	end,

	request_handler = function(username, text)
		local n = tonumber(text:match "^add (%S+)$")
		assert(n, "a request is: add N")
		sums[username] = sums[username] + n
		return tostring(sums[username])
	end,
}
