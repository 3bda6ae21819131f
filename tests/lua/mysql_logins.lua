-- MySQL: the ways to log in, with a server that checks what it gets.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local mysql = require "skynet.db.mysql"
local check = require "check"
local fake = require "fake_mysql"

local LOST = socketchannel.error
local packet = fake.packet

-- For the scramble of the fake's greeting and the password "p".
local NATIVE = "78b510aec814e183a902c2758973fa4d15edd1cf"
local SHA2 = "5721ae607752bd3032a467f827b49490996db0a5460b23d802dfffeb0b48e419"

local KEY = [[
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCyUET6CcedCetJ449X9uqdkFzx
yn7TtSFKshQ7MpJp9KZhXX9jrUgFanS70n8LTMNXlIjbLRUwpLqh3jxcNJwkBjsO
FoAImx7zzaut/Xs+k1/GaqTlhEzc+7ZAR4gCrMu7QT9+eE9ClMFTBNuigN9APozB
F05OwB01miFoYXwJlwIDAQAB
-----END PUBLIC KEY-----
]]

local function hex(bytes)
	return (bytes:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

-- Token, database and plugin of a login packet.
local function parse(login)
	local flags, max, charset, at = string.unpack("<I4I4B", login)
	local user, token, database, plugin
	user, at = string.unpack("z", login, at + 23)
	token, at = string.unpack("s1", login, at)
	database, at = string.unpack("z", login, at)
	if at <= #login then
		plugin = string.unpack("z", login, at)
	end
	return { flags = flags, max = max, charset = charset, user = user, token = hex(token), database = database, plugin = plugin }
end

local server

-- Logs in and gives what the server was told.
local function login(what, greeting, converse, more)
	local told
	server.greeting = greeting
	server.welcome = ""
	server.converse = function(text, id, read)
		told = parse(text)
		return converse(id, read)
	end
	local conf = { host = "127.0.0.1", port = server.port, user = "u", password = "p", database = "d" }
	for key, value in pairs(more or {}) do
		conf[key] = value
	end
	local ok, db = pcall(mysql.connect, conf)
	check.equal(what, ok or db, true)
	return told
end

local function welcome(id, sequence)
	socket.write(id, packet(sequence, fake.OK))
	return true
end

check.main(function()
	server = fake.start(function() return packet(1, fake.OK) end)
	local told = login("native", nil, function(id) return welcome(id, 2) end, { charset = "utf8mb4", max_packet_size = 12345 })
	check.equal("what it tells", told, {
		flags = 260047 + 0x80000, max = 12345, charset = 45, user = "u", token = NATIVE, database = "d", plugin = "mysql_native_password",
	})
	local old = fake.GREETING:gsub("\xff\x81", "\xff\x01", 1):gsub("\2\0\xff\x01", "\2\0\x07\0")
	told = login("a server without plugins", old, function(id) return welcome(id, 2) end)
	check.equal("as skynet says it", { told.flags, told.token, told.plugin }, { 260047, NATIVE })
	told = login("no password", nil, function(id) return welcome(id, 2) end, { password = "" })
	check.equal("no token", told.token, "")
	local sha2 = fake.greeting_of "caching_sha2_password"
	told = login("sha2 that the server remembers", sha2, function(id)
		socket.write(id, packet(2, "\1\3"))
		return welcome(id, 3)
	end)
	check.equal("its token", { told.token, told.plugin }, { SHA2, "caching_sha2_password" })
	login("sha2 for the first time", sha2, function(id, read)
		socket.write(id, packet(2, "\1\4"))
		check.equal("the key is asked for", read(id), "\2")
		socket.write(id, packet(4, "\1" .. KEY))
		local secret = read(id)
		check.equal("under the key", #secret, 128)
		return welcome(id, 6)
	end)
	login("a change to native", sha2, function(id, read)
		socket.write(id, packet(2, "\xfemysql_native_password\0" .. "12345678abcdefghijkl\0"))
		check.equal("token", hex(read(id)), NATIVE)
		return welcome(id, 4)
	end)
	login("a change to sha2", nil, function(id, read)
		socket.write(id, packet(2, "\xfecaching_sha2_password\0" .. "12345678abcdefghijkl\0"))
		check.equal("token", hex(read(id)), SHA2)
		socket.write(id, packet(4, "\1\3"))
		return welcome(id, 5)
	end)
	server.greeting, server.welcome = sha2, nil
	server.converse = function(_, id, read)
		socket.write(id, packet(2, "\1\4"))
		read(id)
		socket.write(id, packet(4, "\1no key at all"))
		return read(id)
	end
	check.equal("a key that is none", { pcall(mysql.connect, { host = "127.0.0.1", port = server.port, password = "p" }) }, { false, LOST })
end)
