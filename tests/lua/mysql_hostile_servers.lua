-- MySQL: servers that lie, stop in the middle or talk out of turn, and logins that go wrong. Each query gets its own
-- result or an error, the next one works again, and nothing is sent twice.

local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local mysql = require "skynet.db.mysql"
local check = require "check"
local fake = require "fake_mysql"

local LOST = socketchannel.error
local packet = fake.packet

local answer

local function handle(_, _, id)
	if type(answer) == "function" then
		return answer(id)
	end
	return answer
end

local function malformed_results(db)
	local columns = fake.rows "x":sub(1, 5)
	local texts = {
		[""] = "ends too early", ["\xfe"] = "unexpected first byte 254", ["\xfb/etc/passwd"] = "LOAD DATA LOCAL is not supported",
		["\0"] = "ends too early", ["\0\xfd\1"] = "ends too early", ["\xff\1"] = "ends too early", ["\xfc\0\0"] = "a length is none",
		["\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff"] = "a length is none",
	}
	for body, text in pairs(texts) do
		answer = packet(1, body)
		check.fails(string.format("first packet %q", body), text, db.query, db, "select 1")
		answer = fake.rows "back"
		check.equal("and it works again", db:query "select 1", { { v = "back" } })
	end
	for what, body in pairs {
		["a column that is none"] = columns .. packet(2, "\3de"),
		["a row instead of a column"] = columns .. packet(2, "\xfa"),
		["a row that ends early"] = fake.rows "x":sub(1, -16) .. packet(4, "\5a"),
		["16 MiB"] = "\xff\xff\xff\1",
	} do
		answer = body
		check.fails(what, "packet", db.query, db, "select 1")
	end
	answer = fake.rows "x":sub(1, -10) .. packet(5, "\xff\x25\5#HY000in the middle")
	check.equal("an error among rows", db:query "select 1", { badresult = true, errno = 1317, sqlstate = "HY000", err = "in the middle" })
end

local function results_cut_anywhere(db)
	local whole = fake.rows "value"
	for cut = 1, #whole - 1 do
		answer = function(id)
			socket.write(id, whole:sub(1, cut))
			skynet.yield()
			socket.write(id, whole:sub(cut + 1))
		end
		check.equal("in two pieces " .. cut, db:query "q", { { v = "value" } })
		answer = function(id)
			socket.write(id, whole:sub(1, cut))
			return false
		end
		check.equal("closed after " .. cut, { pcall(db.query, db, "q") }, { false, LOST })
	end
end

local function answers_out_of_turn(db, server)
	answer = fake.rows "one" .. fake.rows "two"
	check.equal("the first is ours", db:query "q", { { v = "one" } })
	answer = fake.rows "right"
	check.fails("the second is nobody's", "an answer that nobody asked for", db.query, db, "q")
	check.equal("the connection was given up", db:query "q", { { v = "right" } })
	socket.write(server.ids[#server.ids], packet(0, "\xff\1\0stray"))
	skynet.sleep(10)
	check.fails("nor is this", "an answer that nobody asked for", db.query, db, "q")
	check.equal("and again", db:query "q", { { v = "right" } })
end

local function statements_stay_at_home(db, server)
	answer = fake.prepared(1)
	local first = db:prepare "delete from a"
	socket.shutdown(server.ids[#server.ids])
	skynet.sleep(10)
	local second = db:prepare "select from b"
	check.equal("the new connection gives the same number", { first.prepare_id, second.prepare_id }, { 1, 1 })
	local seen = #server.seen
	local result = db:execute(first)
	check.equal("the old one is unknown", { result.badresult, result.errno, result.sqlstate }, { true, 1243, "HY000" })
	check.that("as the server says it", result.err:find "^Unknown prepared statement handler %(1%) given to mysqld_stmt_execute$")
	check.equal("reset too", db:stmt_reset(first).errno, 1243)
	db:stmt_close(first)
	skynet.sleep(5)
	check.equal("the server has heard nothing", #server.seen, seen)
	answer = packet(1, fake.OK)
	check.equal("the new one runs", db:execute(second).affected_rows, 0)
	check.fails("numbers of values", "require stmt.param_count 0 get arg_num 2", db.execute, db, second, 1, nil)
	-- Lost in the moment in which it is to run.
	socket.shutdown(server.ids[#server.ids])
	check.equal("on no other connection", { pcall(db.execute, db, second) }, { false, LOST })
end

local function logins_that_go_wrong(server)
	local conf = { host = "127.0.0.1", port = server.port, user = "u", password = "p" }
	local function refused(what, greeting, welcome)
		server.greeting, server.welcome = greeting, welcome
		check.equal(what, { pcall(mysql.connect, conf) }, { false, LOST })
		server.greeting, server.welcome = nil, nil
	end
	refused("too many connections", "\xff\x10\4Too many connections")
	refused("an old protocol", "\9" .. "3.23\0")
	refused("a greeting that ends", "\10" .. "8.0\0\1\2")
	refused("an empty greeting", "")
	refused("refused", nil, packet(2, "\xff\x15\4#28000Access denied"))
	refused("a database that is not there", nil, packet(2, "\xff\x19\4#42000Unknown database 'd'"))
	refused("before 4.1", nil, packet(2, "\xfe"))
	refused("a plugin that nobody has", nil, packet(2, "\xfe" .. "magic\0" .. ("x"):rep(20) .. "\0"))
	refused("no end of questions", nil, packet(2, "\1\9"))
	refused("silence of the worst kind", nil, packet(2, ""))
end

local function nothing_is_sent_twice()
	local count, seen = 0, {}
	local server = fake.start(function(_, text)
		count = count + 1
		seen[text] = (seen[text] or 0) + 1
		if count % 37 == 0 then
			return false
		end
		return fake.rows(text)
	end)
	local db = mysql.connect { host = "127.0.0.1", port = server.port, user = "u" }
	local running, own, lost = 20, 0, 0
	for i = 1, 20 do
		skynet.fork(function()
			for j = 1, 50 do
				local text = i .. ":" .. j
				local ok, got = pcall(db.query, db, text)
				if ok then
					check.equal("its own result", got, { { v = text } })
					own = own + 1
				else
					lost = lost + 1
				end
			end
			running = running - 1
		end)
	end
	check.await(function() return running == 0 end)
	check.equal("each has its result or an error", own + lost, 1000)
	check.that("some of both", own > 0 and lost > 0)
	for text, times in pairs(seen) do
		if times ~= 1 then
			check.equal("sent twice: " .. text, times, 1)
		end
	end
end

check.main(function()
	local server = fake.start(handle)
	local db = mysql.connect { host = "127.0.0.1", port = server.port, user = "u", password = "p", database = "d" }
	check.equal("version", db:server_ver(), "8.0.0-fake")
	malformed_results(db)
	results_cut_anywhere(db)
	answers_out_of_turn(db, server)
	statements_stay_at_home(db, server)
	logins_that_go_wrong(server)
	nothing_is_sent_twice()
	check.equal("quoted", mysql.quote_sql_str "a'\"\\\0\b\n\r\t\26z", [['a\'\"\\\0\b\n\r\t\Zz']])
	check.equal("a number quoted", mysql.quote_sql_str(12), "'12'")
end)
