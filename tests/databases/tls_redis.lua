-- Redis over TLS: values of any length, many coroutines, what is published, a connection that is lost, and a server that
-- wants to know who we are.

local skynet = require "skynet"
local redis = require "skynet.db.redis"
local socketchannel = require "skynet.socketchannel"
local check = require "check"

local papers, port = skynet.getenv "papers", tonumber(skynet.getenv "port")

local function conf(tls)
	return { host = "127.0.0.1", port = port, tls = tls }
end

local function known(more)
	local tls = { ca = papers .. "/ca.pem", cert = papers .. "/client.pem", key = papers .. "/client.key" }
	for key, value in pairs(more or {}) do
		tls[key] = value
	end
	return tls
end

check.main(function()
	local db = redis.connect(conf(known()))
	for _, size in ipairs { 0, 1, 16384, 16385, 3000000 } do
		local value = ("\0\xff\r\n"):rep(size // 4 + 1):sub(1, size)
		db:set("k", value)
		check.that("a value of so many bytes: " .. size, db:get "k" == value)
	end
	local answered = 0
	for i = 1, 100 do
		skynet.fork(function()
			for _ = 1, 20 do
				check.equal("its own answer", db:echo("n" .. i), "n" .. i)
			end
			answered = answered + 1
		end)
	end
	check.await(function() return answered == 100 end)
	local answers = {}
	db:pipeline({ { "set", "a", 1 }, { "get", "a" } }, answers)
	check.equal("a pipeline", answers[2], { ok = true, out = "1" })

	local watch = redis.watch(conf(known { server_name = "db.example" }))
	watch:subscribe "news"
	local got
	skynet.fork(function() got = { watch:message() } end)
	check.await(function() return watch.__subscribe.news end)
	db:publish("news", "text")
	check.await(function() return got end)
	check.equal("what is published", got, { "text", "news" })
	watch:disconnect()

	pcall(db.client, db, "kill", "skipme", "no")
	check.await(function() return select(2, pcall(db.get, db, "a")) == "1" end)
	db:disconnect()

	local unknown = redis.connect(conf { ca = papers .. "/ca.pem", verify = true })
	check.fails("who has no papers is refused", "the peer has refused", unknown.ping, unknown)
	local pooled = redis.connect { host = "127.0.0.1", port = port, tls = known { verify = false }, pool = 2 }
	check.equal("a pool", pooled:ping(), "PONG")
	check.equal("not in the clear", { pcall(redis.connect, { host = "127.0.0.1", port = port, db = 0 }) }, { false, socketchannel.error })
end)
