-- MySQL that is killed under load, twice: each request gets its own answer or an error, and the clients find back.

local skynet = require "skynet"
local mysql = require "skynet.db.mysql"
local check = require "check"

local COROUTINES = 20

local function say(line)
	io.stdout:write(line, "\n")
	io.stdout:flush()
end

local stop, answered, lost = false, 0, 0

local function ask(db, text)
	local result = db:query("select " .. mysql.quote_sql_str(text) .. " v")
	if result.badresult then
		error(result.err)
	end
	return result[1].v
end

local function work(db, i)
	local n = 0
	while not stop do
		n = n + 1
		local text = i .. ":" .. n
		local ok, answer = pcall(ask, db, text)
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
	local db = mysql.connect {
		host = "127.0.0.1", port = tonumber(skynet.getenv "port"),
		user = "welkin", password = "welkin-test", database = "welkin_test",
	}
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
