-- Servers that are not what they should be, and ones that break off: a password is not said to them. They are made of the server's side of `welkin.tls`.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local mysql = require "skynet.db.mysql"
local mongo = require "skynet.db.mongo"
local bson = require "bson"
local tls = require "welkin.tls"
local check = require "check"
local fake = require "fake_mysql"

local LOST = socketchannel.error
local papers = skynet.getenv "papers"
local ca = papers .. "/ca.pem"

local function config(name)
	return tls.server(papers .. "/" .. name .. ".pem", papers .. "/" .. name .. ".key")
end

-- A listener; `serve(id)` has each connection for itself.
local function listen(serve)
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		pcall(serve, id)
		socket.close(id)
	end)
	return port
end

local heard

-- A Redis that answers everything with OK, under this certificate.
local function redis_as(name)
	return listen(function(id)
		local stream = tls.accept(id, config(name))
		while true do
			local text = stream:read()
			if not text then
				return
			end
			heard = (heard or "") .. text
			stream:write { "+OK", "\r\n" }
		end
	end)
end

local function refused(what, port, options, more)
	heard = nil
	local conf = { host = "127.0.0.1", port = port, auth = "secret", tls = options }
	for key, value in pairs(more or {}) do
		conf[key] = value
	end
	check.equal(what, { pcall(redis.connect, conf) }, { false, LOST })
	check.equal("nothing is told: " .. what, heard, nil)
end

local function of_redis()
	local good = redis_as "server"
	local db = redis.connect { host = "127.0.0.1", port = good, auth = "secret", tls = { ca = ca } }
	check.equal("who it should be", db:ping(), "OK")
	check.that("is told the password", heard:find "secret")
	refused("a stranger's", good, { ca = papers .. "/stranger.pem" })
	refused("another name", good, { ca = ca, server_name = "other.example" })
	refused("expired", redis_as "expired", { ca = ca })
	refused("no TLS at all", listen(function(id)
		socket.write(id, "-ERR this is no TLS\r\n")
		socket.read(id)
	end), { ca = ca })
	refused("closed at once", listen(function() end), { ca = ca })
	refused("closed in the middle", listen(function(id) socket.read(id, 100) end), { ca = ca })
	refused("silence", listen(function(id) socket.readall(id) end), { ca = ca }, { connect_timeout_ms = 50 })
	local shout = listen(function(id)
		local stream = tls.accept(id, config "server")
		stream:write "+OK\r\n+OK\r\n"
		stream:read()
		stream:read()
	end)
	local eager = redis.connect { host = "127.0.0.1", port = shout, tls = { ca = ca } }
	check.fails("what nobody asked for", "nobody asked for", function()
		while true do
			eager:ping()
		end
	end)
end

local function of_options()
	local function conf(options)
		return { host = "127.0.0.1", port = 1, tls = options }
	end
	check.fails("no file", "tls: /nowhere/ca.pem: ", redis.connect, conf { ca = "/nowhere/ca.pem" })
	check.fails("no certificate in it", "there is no certificate in it", mysql.connect, conf { ca = papers .. "/server.key" })
	check.fails("a slip", "tls: no option is called verfiy", mongo.client, conf { verfiy = false })
	check.fails("another type", "tls: verify = no: a boolean is expected", redis.connect, conf { verify = "no" })
	check.fails("half an identity", "cert and key belong together", redis.connect, conf { cert = ca })
	check.fails("no table", "tls = 1: true or a table", redis.connect, conf(1))
	check.fails("no name", "tls: 'a b' is neither a name of a host nor an address", redis.connect, conf { ca = ca, server_name = "a b" })
end

-- Greets as MySQL, and goes on encrypted after the request for it.
local function mysql_that(converse, flags)
	return listen(function(id)
		local greeting = fake.greeting_of "caching_sha2_password"
		if flags ~= "no tls" then
			greeting = greeting:gsub("\xff\xf7", "\xff\xff", 1)
		end
		socket.write(id, fake.packet(0, greeting) .. (flags == "more" and fake.packet(2, fake.OK) or ""))
		heard = socket.read(id, 36)
		if heard and flags == nil then
			converse(tls.accept(id, config "server"))
		end
	end)
end

local function read_packet(stream)
	local length, sequence = string.unpack("<I3B", (assert(stream:read(4))))
	return stream:read(length), sequence
end

local function of_mysql()
	local told = {}
	local port = mysql_that(function(stream)
		local login, sequence = read_packet(stream)
		told.user, told.sequence = string.unpack("z", login, 33), sequence
		stream:write(fake.packet(3, "\1\4"))
		told.password = read_packet(stream)
		stream:write(fake.packet(5, fake.OK))
		read_packet(stream)
		stream:write(fake.rows "secret")
		stream:read()
	end)
	local conf = { host = "127.0.0.1", port = port, user = "u", password = "p", tls = { ca = ca } }
	local db = mysql.connect(conf)
	check.equal("the password itself, as it is safe", told, { user = "u", sequence = 2, password = "p\0" })
	check.equal("what was said in the clear", { #heard, heard:byte(4), heard:byte(6) & 8 }, { 36, 1, 8 })
	check.equal("and a query", db:query "select 1", { { v = "secret" } })

	conf.port = mysql_that(nil, "no tls")
	heard = nil
	check.equal("a server without TLS", { pcall(mysql.connect, conf) }, { false, LOST })
	check.equal("is told nothing", heard or false, false)
	conf.port = mysql_that(nil, "more")
	check.equal("more than a greeting", { pcall(mysql.connect, conf) }, { false, LOST })
	check.equal("is not taken for an answer", heard or false, false)
	conf.port = mysql_that(nil, "stop")
	check.equal("a server that stops there", { pcall(mysql.connect, conf) }, { false, LOST })
	check.equal("has not heard who we are", #heard, 36)
end

local function of_mongo()
	local port = listen(function(id)
		local stream = tls.accept(id, config "server")
		while true do
			local size = stream:read(4)
			if not size then
				return
			end
			local message = stream:read(string.unpack("<i4", size) - 4)
			local request = string.unpack("<i4", message)
			local document = tostring(bson.encode { ok = 1, ismaster = true, n = request })
			stream:write(string.pack("<i4i4i4i4I4B", 21 + #document, 0, request, 2013, 0, 0) .. document)
		end
	end)
	local client = mongo.client { host = "127.0.0.1", port = port, tls = { ca = ca } }
	check.equal("a reply", client:getDB "d":runCommand("ping").ok, 1)
	check.equal("a stranger", { pcall(mongo.client, { host = "127.0.0.1", port = port, tls = { ca = papers .. "/stranger.pem" } }) }, { false, LOST })
end

check.main(function()
	of_redis()
	of_options()
	of_mysql()
	of_mongo()
end)
