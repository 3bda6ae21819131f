-- Logs in, asks, loses the connection, comes back and asks again: all that a client has to do, in one plain Lua
-- program.
--
--   welkin lua examples/login/client.lua [USER [PASSWORD]]

local socket = require "client.socket"
local crypt = require "client.crypt"

local HOST, LOGIN_PORT, MESSAGE_PORT = "127.0.0.1", 7011, 7012
local SERVER = "sample"
local PAUSE_US = 2000

local user, password = arg[1] or "alice", arg[2] or "secret"
local b64 = crypt.base64encode

-- A connection: bytes are read until `cut` finds what it looks for, a text and where the rest begins.
local function connect(port, cut)
	local fd = socket.connect(HOST, port)
	local received = ""
	return {
		fd = fd,
		send = function(bytes)
			socket.send(fd, bytes)
		end,
		receive = function()
			local text, rest = cut(received)
			while text == nil do
				local data = socket.recv(fd)
				if data == "" then
					error "the server has closed the connection"
				elseif data then
					received = received .. data
					text, rest = cut(received)
				else
					socket.usleep(PAUSE_US)
				end
			end
			received = received:sub(rest)
			return text
		end,
	}
end

local function cut_line(bytes)
	return bytes:match "^([^\n]*)\n()"
end

local function cut_package(bytes)
	if #bytes >= 2 and #bytes >= 2 + string.unpack(">I2", bytes) then
		return string.unpack(">s2", bytes)
	end
end

-- Both sides make a secret out of what each has sent in the open and what each has kept. Then the client shows that
-- it has the secret, and only then sends its token, encrypted.
local function login()
	local server = connect(LOGIN_PORT, cut_line)
	local function send(value)
		server.send(b64(value) .. "\n")
	end
	local challenge = crypt.base64decode(server.receive())
	local key = crypt.randomkey()
	send(crypt.dhexchange(key))
	local secret = crypt.dhsecret(crypt.base64decode(server.receive()), key)
	send(crypt.hmac64(challenge, secret))
	local token = string.format("%s@%s:%s", b64(user), b64(SERVER), b64(password))
	send(crypt.desencode(secret, token))
	local answer = server.receive()
	socket.close(server.fd)
	local subid = answer:match "^200 (.*)$"
	if subid == nil then
		print("the login server answers: " .. answer)
		os.exit(1)
	end
	return crypt.base64decode(subid), secret
end

local subid, secret = login()
print(string.format("%s has session %s", user, subid))

-- A number that grows with each connection, so that nobody who has listened can repeat one.
local index = 0

local function enter()
	index = index + 1
	local server = connect(MESSAGE_PORT, cut_package)
	local text = string.format("%s@%s#%s:%d", b64(user), b64(SERVER), b64(subid), index)
	server.send(string.pack(">s2", text .. ":" .. b64(crypt.hmac_hash(secret, text))))
	print(string.format("connection %d: %s", index, server.receive()))
	return server
end

-- The session number says which answer belongs to which question.
local function ask(server, session, text)
	server.send(string.pack(">s2", text .. string.pack(">I4", session)))
end

local function answer(server)
	local package = server.receive()
	local text, ok, session = package:sub(1, -6), package:byte(-5), string.unpack(">I4", package, -4)
	print(string.format("answer %d: %s", session, ok == 1 and text or "refused"))
end

local server = enter()
ask(server, 1, "add 5")
answer(server)
ask(server, 2, "add 7")
socket.close(server.fd)
print "the connection is lost before the answer"

server = enter()
ask(server, 2, "add 7") -- the same session: perhaps the server has it already
answer(server)
ask(server, 3, "add 1")
answer(server)
ask(server, 4, "nonsense")
answer(server)
socket.close(server.fd)
