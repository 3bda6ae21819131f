-- Redis: servers that lie, stop in the middle or talk out of turn. Each request gets its own answer or an error, the
-- next one works again, and nothing is sent twice.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local check = require "check"
local fake = require "fake_redis"

local answer

local function malformed_answers(db)
	local texts = {
		"_\r\n", "\r\n", "OK\r\n", "$-2\r\n", "$x\r\n", "$99999999999999999999\r\n", "*-2\r\n", "*1x\r\n", ":\r\n", ":1.5\r\n",
		"$1\r\nabc\r\n", ("*1\r\n"):rep(200), "$" .. ("1"):rep(100), "%1\r\n+a\r\n+b\r\n",
	}
	for _, text in ipairs(texts) do
		answer = text
		check.fails("malformed " .. text:sub(1, 20), "malformed answer", db.get, db, "k")
		answer = "+back\r\n"
		check.equal("and it works again", db:get "k", "back")
	end
end

local function answers_cut_anywhere(db)
	local whole = "*3\r\n$2\r\nab\r\n:12\r\n*1\r\n+x\r\n"
	for cut = 1, #whole - 1 do
		answer = function(id)
			socket.write(id, whole:sub(1, cut))
			skynet.yield()
			socket.write(id, whole:sub(cut + 1))
		end
		check.equal("in two pieces " .. cut, db:get "k", { "ab", 12, { "x" } })
		answer = function(id)
			socket.write(id, whole:sub(1, cut))
			return false
		end
		check.equal("closed after " .. cut, { pcall(db.get, db, "k") }, { false, socketchannel.error })
	end
	answer = whole
	check.equal("whole", db:get "k", { "ab", 12, { "x" } })
end

local function lengths_that_lie(db)
	for _, text in ipairs { "$2147483647\r\nab", "*2147483647\r\n:1\r\n", "*2\r\n*4294967296\r\n" } do
		answer = function(id)
			socket.write(id, text)
			skynet.sleep(5)
			return false
		end
		local before = collectgarbage "count"
		check.equal("a lie " .. text, { pcall(db.get, db, "k") }, { false, socketchannel.error })
		check.that("no memory for it", collectgarbage "count" < before + 10000)
	end
end

local function answers_out_of_turn(db, server)
	answer = "+one\r\n+two\r\n"
	check.equal("the first is ours", db:get "k", "one")
	answer = "+right\r\n"
	check.fails("the second is nobody's", "an answer that nobody asked for", db.get, db, "k")
	check.equal("the connection was given up", db:get "k", "right")
	-- Sent while nobody waits.
	socket.write(server.ids[#server.ids], "+stray\r\n")
	skynet.sleep(10)
	check.fails("nor is this", "an answer that nobody asked for", db.get, db, "k")
	check.equal("and again", db:get "k", "right")
	-- In the middle of a pipeline the order is kept.
	answer = "+a\r\n"
	check.equal("a pipeline", db:pipeline({ { "get", "a" }, { "get", "b" } }, {}), { { ok = true, out = "a" }, { ok = true, out = "a" } })
end

local function operations_that_are_none(db)
	check.fails("no operations", "pipeline is null", db.pipeline, db, {})
	check.fails("a text", "command 1 is no table", db.pipeline, db, { "get" })
	check.fails("an empty one", "command 2 is empty", db.pipeline, db, { { "get", "a" }, {} })
	answer = "+OK\r\n"
	pcall(db.pipeline, db, { { "set", nil, "v" } })
	check.equal("a hole harms nobody else", db:get "k", "OK")
	local many = {}
	for i = 1, 30000 do
		many[i] = { "set", "key" .. i, i }
	end
	check.equal("very many", #db:pipeline(many, {}), 30000)
end

local function nothing_is_sent_twice()
	local count, seen, silent = 0, {}, {}
	local server = fake.start(function(command, id)
		count = count + 1
		seen[command[2]] = (seen[command[2]] or 0) + 1
		if count % 37 == 0 then
			return false
		elseif count % 41 == 0 then
			silent[id] = true
		end
		if silent[id] then
			return nil
		end
		return fake.bulk(command[2])
	end)
	local db = redis.connect { host = "127.0.0.1", port = server.port, query_timeout_ms = 300 }
	local running, own, lost = 20, 0, 0
	for i = 1, 20 do
		skynet.fork(function()
			for j = 1, 50 do
				local text = i .. ":" .. j
				local ok, got = pcall(db.echo, db, text)
				if ok then
					check.equal("its own answer", got, text)
					own = own + 1
				else
					lost = lost + 1
				end
			end
			running = running - 1
		end)
	end
	check.await(function() return running == 0 end)
	check.equal("each has its answer or an error", own + lost, 1000)
	check.that("some of both", own > 0 and lost > 0)
	for text, times in pairs(seen) do
		if times ~= 1 then
			check.equal("sent twice: " .. text, times, 1)
		end
	end
end

check.main(function()
	local server = fake.start(function(_, id)
		if type(answer) == "function" then
			return answer(id)
		end
		return answer
	end)
	local db = redis.connect { host = "127.0.0.1", port = server.port }
	malformed_answers(db)
	answers_cut_anywhere(db)
	lengths_that_lie(db)
	answers_out_of_turn(db, server)
	operations_that_are_none(db)
	nothing_is_sent_twice()
end)
