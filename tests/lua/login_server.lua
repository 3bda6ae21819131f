-- `snax.loginserver`: who is let in and with what, and each way to be refused.

local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local check = require "check"
local free_port = require "free_port"
local login_client = require "login_client"

local login, port

local function answer(...)
	local id, line, secret = login_client(port, ...)
	socket.close(id)
	return line, secret
end

local function let_in()
	local line, secret = answer "alice:game:right"
	check.equal("the id of the session", line, "200 " .. crypt.base64encode "id of alice")
	check.equal("what login_handler gets", skynet.call(login, "lua", "entered"), { { "game", "alice", secret } })
	check.equal("no id", answer "alice:nothing:right", "200 ")
end

local function refused()
	local b64 = crypt.base64encode
	for what, line in pairs {
		["a wrong password"] = answer "alice:game:wrong",
		["a key that is too short"] = answer("alice:game:right", { key = b64 "1234567" }),
		["a key that is no base64"] = answer("alice:game:right", { key = "*" }),
		["a key of zero"] = answer("alice:game:right", { key = b64(("\0"):rep(8)) }),
		["a wrong proof"] = answer("alice:game:right", { proof = b64 "12345678" }),
		["a wrong proof, and no token"] = answer(nil, { proof = b64 "12345678" }),
		["a proof that is no base64"] = answer(nil, { proof = "*" }),
		["a token that is no base64"] = answer("alice:game:right", { token = "*" }),
		["a token that is not encrypted"] = answer("alice:game:right", { token = b64 "alice" }),
	} do
		check.equal(what, line, "401 Unauthorized")
	end
	check.equal("login_handler raises", answer "alice:forbidden:right", "403 Forbidden")
end

local function at_once()
	local slow
	skynet.call(login, "lua", "entered") -- forgets those before
	skynet.fork(function() slow = answer "bob:slow:right" end)
	check.await(function() return skynet.call(login, "lua", "entered")[1] end)
	check.equal("the same user", answer "bob:game:right", "406 Not Acceptable")
	check.equal("another user", answer "carol:game:right", "200 " .. crypt.base64encode "id of carol")
	skynet.call(login, "lua", "go on")
	check.await(function() return slow end)
	check.equal("the first goes on", slow, "200 " .. crypt.base64encode "id of bob")
	check.equal("and may come again", answer "bob:game:right", slow)
end

local function cut_off()
	local id = assert(socket.open("127.0.0.1", port))
	socket.readline(id)
	socket.write(id, ("x"):rep(10000))
	check.equal("a line without an end", socket.read(id), false)
	socket.close(id)
	id = assert(socket.open("127.0.0.1", port))
	socket.close(id)
	check.equal("still serving", (answer "alice:nothing:right"), "200 ")
end

check.main(function()
	port = free_port()
	skynet.setenv("test_login_port", port)
	login = skynet.newservice "login_program"
	check.equal("the master has the name", skynet.localname ".test_login", login)
	let_in()
	refused()
	at_once()
	cut_off()
	check.equal("commands", { skynet.call(login, "lua", "one", 2) }, { "one", 2 })
	check.await(function()
		local open = 0
		for _, info in ipairs(socket.netstat()) do
			open = open + (info.type == "LISTEN" and 0 or 1)
		end
		return open == 0
	end)
end)
