-- `welkin_login_timeout_ms`: who does not log in, or does not finish its handshake, is cut off; others stay.

local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local check = require "check"
local free_port = require "free_port"
local login_client = require "login_client"
local client = require "message_client"

local function login_server()
	local port = free_port()
	skynet.setenv("test_login_port", port)
	skynet.newservice "login_program"
	local silent = assert(socket.open("127.0.0.1", port))
	check.that("a challenge", socket.readline(silent))
	local half = assert(socket.open("127.0.0.1", port))
	socket.readline(half)
	socket.write(half, crypt.base64encode(crypt.dhexchange(crypt.randomkey())) .. "\nhalf a line")
	check.that("a key", socket.readline(half))
	check.equal("a silent client is cut off", socket.read(silent), false)
	check.equal("a slow one too", socket.read(half), false)
	local id, answer = login_client(port, "alice:nothing:right")
	check.equal("another one is not", answer, "200 ")
	check.equal("until it should have left", socket.read(id), false)
	for _, fd in ipairs { silent, half, id } do
		socket.close(fd)
	end
end

local function message_server()
	local server = skynet.newservice "message_program"
	local port = free_port()
	skynet.call(server, "lua", "open", { address = "127.0.0.1", port = port, servername = "test" })
	local alice = skynet.call(server, "lua", "login", "alice", "12345678")
	local id, answer = client.connect(port, client.handshake(alice, 1, "12345678"))
	check.equal("a good handshake", answer, "200 OK")
	local silent = {}
	for i = 1, 3 do
		silent[i] = assert(socket.open("127.0.0.1", port))
	end
	socket.write(silent[2], "\0\100part of a package")
	for i = 1, 3 do
		check.equal("a silent client is cut off", socket.read(silent[i]), false)
		socket.close(silent[i])
	end
	client.ask(id, 1, "still here")
	check.equal("one that is in may be silent", client.answer(id), { "echo still here", 1, 1 })
	socket.close(id)
end

check.main(function()
	skynet.setenv("welkin_login_timeout_ms", 1000)
	login_server()
	message_server()
end)
