-- The client's side of `snax.loginserver`. Each step can be spoiled: `with` has `key`, `proof` or `token` to send
-- in place of the right line.

local socket = require "skynet.socket"
local crypt = require "skynet.crypt"

---@return integer id, string|false answer, string|nil secret
return function(port, token, with)
	local id = assert(socket.open("127.0.0.1", port))
	local function send(line)
		socket.write(id, line .. "\n")
	end
	with = with or {}
	local challenge = crypt.base64decode(socket.readline(id))
	local key = crypt.randomkey()
	send(with.key or crypt.base64encode(crypt.dhexchange(key)))
	local line = socket.readline(id)
	if not line or line:find "^%d%d%d " then
		return id, line
	end
	local secret = crypt.dhsecret(crypt.base64decode(line), key)
	send(with.proof or crypt.base64encode(crypt.hmac64(challenge, secret)))
	if token then
		send(with.token or crypt.base64encode(crypt.desencode(secret, token)))
	end
	return id, socket.readline(id), secret
end
