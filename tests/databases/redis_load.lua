-- Redis that is killed under load, twice: each request gets its own answer or an error, and the clients find back.

local skynet = require "skynet"
local redis = require "skynet.db.redis"
local check = require "check"

local COROUTINES = 20

local function say(line)
	io.stdout:write(line, "\n")
	io.stdout:flush()
end

local stop, answered, lost = false, 0, 0

local function work(db, i)
	local n = 0
	while not stop do
		n = n + 1
		local text = i .. ":" .. n
		local ok, answer = pcall(db.echo, db, text)
		if ok then
			check.equal("its own answer", answer, text)
			answered = answered + 1
		else
			lost = lost + 1
			skynet.sleep(2)
		end
	end
end

local function more(count)
	local from = answered
	check.await(function() return answered > from + count end)
end

check.main(function()
	local db = redis.connect { host = "127.0.0.1", port = tonumber(skynet.getenv "port") }
	local left = COROUTINES
	for i = 1, COROUTINES do
		skynet.fork(function()
			work(db, i)
			left = left - 1
		end)
	end
	for _ = 1, 2 do
		more(1000)
		local before = lost
		say "LOAD"
		check.await(function() return lost > before end)
		say "LOST"
		more(1000)
	end
	stop = true
	check.await(function() return left == 0 end)
end)
