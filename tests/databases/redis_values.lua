-- Redis: values of all kinds come back, transactions, messages, a pool.

local skynet = require "skynet"
local redis = require "skynet.db.redis"
local check = require "check"

local conf = { host = "127.0.0.1", port = tonumber(skynet.getenv "port"), db = 1 }

local function values(db)
	local bytes = {}
	for i = 0, 255 do
		bytes[#bytes + 1] = string.char(i)
	end
	local all = table.concat(bytes)
	for _, text in ipairs { "", "text", all, all:rep(10000), "a\r\nb\0" } do
		check.equal("set", db:set("k", text), "OK")
		check.that("get", db:get "k" == text)
	end
	check.equal("nothing", db:get "nothing", nil)
	check.equal("integer", db:incrby("n", 5), 5)
	check.equal("hash", { db:hset("h", "a", 1, "b", 2), db:hgetall "h" }, { 2, { "a", "1", "b", "2" } })
	check.equal("exists", { db:exists "k", db:exists "nothing" }, { true, false })
	check.equal("members", { db:sadd("s", "x"), db:sismember("s", "x"), db:sismember("s", "y") }, { 1, true, false })
	check.fails("an error", ":%d+: WRONGTYPE ", db.lpush, db, "k", 1)
	check.equal("multi", { db:multi(), db:set("a", 1), db:get "a", db:exec() }, { "OK", "QUEUED", "QUEUED", { "OK", "1" } })
	check.equal("a script that fails in the middle", select(2, pcall(db.eval, db, "return {1, redis.error_reply('ERR x')}", 0)), { 1, "ERR x" })
	db:set("keep", "me")
	check.equal("pipeline", db:pipeline({ { "get", "keep" }, { "lpush", "keep", 1 }, { "get", "n" } }, {}), {
		{ ok = true, out = "me" },
		{ ok = false, out = "WRONGTYPE Operation against a key holding the wrong kind of value" },
		{ ok = true, out = "5" },
	})
end

local function messages(db)
	local watch = redis.watch(conf)
	watch:subscribe("news", "more")
	watch:psubscribe "p*"
	local got = {}
	-- The confirmations are there before anybody reads them.
	check.await(function() return db:pubsub("numpat") == 1 end)
	skynet.sleep(5)
	skynet.fork(function()
		while true do
			local ok, data, channel, pattern = pcall(watch.message, watch)
			if not ok then
				got.ended = true
				return
			end
			table.insert(got, { data, channel, pattern })
		end
	end)
	check.await(function() return watch.__psubscribe["p*"] end)
	db:publish("news", "a\r\n\0")
	db:publish("pop", "b")
	check.await(function() return #got == 2 end)
	check.equal("messages", { got[1], got[2] }, { { "a\r\n\0", "news" }, { "b", "pop", "p*" } })
	-- The server ends the connection: it subscribes again.
	db:client("kill", "type", "pubsub")
	check.await(function() return got.ended end)
	skynet.fork(function() table.insert(got, { watch:message() }) end)
	check.await(function()
		db:publish("more", "back")
		return #got > 2
	end)
	check.equal("after a loss", got[3], { "back", "more" })
	watch:disconnect()
end

local function pool()
	local db = redis.connect { host = conf.host, port = conf.port, pool = 4 }
	db:del "count"
	local left = 100
	for _ = 1, left do
		skynet.fork(function()
			db:with(function(one)
				one:multi()
				one:incr "count"
				one:exec()
			end)
			left = left - 1
		end)
	end
	check.await(function() return left == 0 end)
	check.equal("a hundred transactions", db:get "count", "100")
	db:disconnect()
end

check.main(function()
	local db = redis.connect(conf)
	db:flushall()
	values(db)
	messages(db)
	pool()
end)
