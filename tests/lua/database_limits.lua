-- Deadlines, the log of what is slow, pools: what all database drivers have beside their protocols.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local redis = require "skynet.db.redis"
local mysql = require "skynet.db.mysql"
local check = require "check"
local fake = require "fake_redis"

local LOST = socketchannel.error

local function start(f, ...)
	local result
	skynet.fork(function(...) result = table.pack(pcall(f, ...)) end, ...)
	return function()
		check.await(function() return result end)
		return table.unpack(result, 1, result.n)
	end
end

local server, held
local silent = {}

local function handle(command, id)
	if command[1] == "MUTE" then
		silent[id] = true
	end
	if silent[id] then
		return nil
	elseif command[1] == "HOLD" then
		check.await(function() return held ~= command[2] end)
	end
	return fake.bulk(command[2] or command[1])
end

local function queries_have_deadlines()
	local db = redis.connect { host = "127.0.0.1", port = server.port, query_timeout_ms = 100 }
	check.equal("in time", db:echo "a", "a")
	local mute = start(db.mute, db, "m")
	local behind = start(db.echo, db, "behind")
	local ok, err = mute()
	check.equal("too late", ok, false)
	check.that("it says what and where: " .. tostring(err), tostring(err):find(":%d+: query timeout: 100 ms at 127.0.0.1:%d+: MUTE m$"))
	ok, err = behind()
	check.that("who waits beside gets the loss, or its own deadline", not ok and (err == LOST or tostring(err):find "query timeout"))
	check.equal("a new connection", db:echo "b", "b")
	db:disconnect()
end

local function connects_have_deadlines()
	-- Accepts, and never says a word.
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id) socket.start(id) end)
	local conf = { host = "127.0.0.1", port = port, auth = "x", connect_timeout_ms = 100 }
	check.equal("redis that is silent", { pcall(redis.connect, conf) }, { false, LOST })
	check.equal("mysql that is silent", { pcall(mysql.connect, conf) }, { false, LOST })
	-- Nobody accepts, and the system keeps no more connections: the next ones get no answer at all.
	local full, _, full_port = socket.listen("127.0.0.1", 0, 1)
	for _ = 1, 4 do
		skynet.fork(socket.open, "127.0.0.1", full_port)
	end
	skynet.sleep(5)
	conf = { host = "127.0.0.1", port = full_port, connect_timeout_ms = 100 }
	check.equal("a host that does not answer", { pcall(redis.connect, conf) }, { false, LOST })
	socket.close(full)
	check.fails("no number", "connect_timeout_ms = soon: a number of milliseconds", redis.connect, { host = "127.0.0.1", port = port, connect_timeout_ms = "soon" })
	check.fails("no tls by mistake", "tls: no option is called cert_file", redis.connect, { host = "127.0.0.1", port = port, tls = { cert_file = "x" } })
	check.fails("nor here", "tls = 1: true or a table", mysql.connect, { host = "127.0.0.1", port = port, tls = 1 })
	socket.close(listener)
end

local function slow_queries_are_logged()
	local lines = {}
	local log = skynet.error
	skynet.error = function(...)
		lines[#lines + 1] = table.concat({ ... }, " ")
	end
	local db = redis.connect { host = "127.0.0.1", port = server.port, slow_ms = 30 }
	db:echo "fast"
	held = "x"
	local slow = start(db.hold, db, "x")
	skynet.sleep(5)
	held = nil
	check.equal("it is answered", { slow() }, { true, "x" })
	skynet.error = log
	check.equal("one line", #lines, 1)
	check.that("which says it: " .. tostring(lines[1]), lines[1]:find "^slow query: %d+ ms at 127.0.0.1:%d+: HOLD x$")
	db:disconnect()
end

local function pools()
	local before = #server.ids
	local db = redis.connect { host = "127.0.0.1", port = server.port, pool = 3 }
	check.equal("it works", db:echo "x", "x")
	check.equal("opens one at first", #server.ids, before + 1)
	held = "h"
	local first, second = start(db.hold, db, "h"), start(db.hold, db, "h")
	skynet.sleep(2)
	check.equal("another is free", db:echo "a", "a")
	check.equal("three of them now", #server.ids, before + 3)
	local third, fourth = start(db.hold, db, "h"), start(db.echo, db, "b")
	skynet.sleep(2)
	check.equal("and no more", #server.ids, before + 3)
	held = nil
	for _, wait in ipairs { first, second, third, fourth } do
		check.equal("answered", (wait()), true)
	end
	-- One for itself.
	local inside, order = nil, {}
	local with = { start(db.with, db, function(conn)
		inside = conn
		check.await(function() return order.go end)
		return conn:echo "own", "more"
	end) }
	check.await(function() return inside end)
	for i = 1, 10 do
		check.equal("others have the others", db:echo(i), tostring(i))
	end
	order.go = true
	check.equal("what it gives", { with[1]() }, { true, "own", "more" })
	check.fails("transactions need one", "multi belongs to one connection of the pool", db.multi, db)
	local lost
	check.fails("an error passes through", "^out$", db.with, db, function(conn)
		lost = conn
		error("out", 0)
	end)
	check.equal("and ends that connection", getmetatable(lost), nil)
	check.equal("the pool goes on", db:echo "c", "c")
	-- Everything is held; who wants one waits.
	local release, holders = false, 0
	for _ = 1, 3 do
		skynet.fork(db.with, db, function()
			holders = holders + 1
			check.await(function() return release end)
		end)
	end
	check.await(function() return holders == 3 end)
	local late = start(db.echo, db, "late")
	skynet.sleep(2)
	release = true
	check.equal("then it has one", { late() }, { true, "late" })
	db:disconnect()
	check.fails("after that", "attempt to call a nil value %(method 'echo'%)", function() return db:echo "x" end)
	check.fails("no number", "pool = many: a number from 1 to", redis.connect, { host = "127.0.0.1", port = server.port, pool = "many" })
end

check.main(function()
	server = fake.start(handle)
	queries_have_deadlines()
	connects_have_deadlines()
	slow_queries_are_logged()
	pools()
end)
