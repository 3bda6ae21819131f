-- The client's side of `snax.msgserver`.

local socket = require "skynet.socket"
local crypt = require "skynet.crypt"

local client = {}

function client.send(id, package)
	socket.write(id, string.pack(">s2", package))
end

---@return string|false package  false: the connection is closed
function client.receive(id)
	local length = socket.read(id, 2)
	if not length then
		return false
	end
	local n = socket.header(length)
	return n == 0 and "" or socket.read(id, n)
end

function client.handshake(username, index, secret)
	local text = username .. ":" .. index
	return text .. ":" .. crypt.base64encode(crypt.hmac_hash(secret, text))
end

---@return integer id, string answer
function client.connect(port, handshake)
	local id = assert(socket.open("127.0.0.1", port))
	client.send(id, handshake)
	return id, client.receive(id)
end

function client.ask(id, session, text)
	client.send(id, text .. string.pack(">I4", session))
end

---@return {[1]: string, [2]: integer, [3]: integer}|false  text, ok, session
function client.answer(id)
	local package = client.receive(id)
	return package and { package:sub(1, -6), package:byte(-5), (string.unpack(">I4", package, -4)) }
end

return client
