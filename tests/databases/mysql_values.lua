-- MySQL: values of all types in both forms, any bytes, accounts, statements, several results, transactions.

local skynet = require "skynet"
local mysql = require "skynet.db.mysql"
local socketchannel = require "skynet.socketchannel"
local check = require "check"

local function conf(more)
	local t = {
		host = "127.0.0.1", port = tonumber(skynet.getenv "port"),
		user = "welkin", password = "welkin-test", database = "welkin_test", charset = "utf8mb4",
	}
	for key, value in pairs(more or {}) do
		t[key] = value
	end
	return t
end

local function any_bytes(db)
	db:query "create or replace table b (id int auto_increment primary key, v longblob)"
	local all = {}
	for i = 0, 255 do
		all[#all + 1] = string.char(i)
	end
	local bytes = table.concat(all)
	local insert, find = db:prepare "insert into b (v) values (?)", db:prepare "select v from b where id = ?"
	for i, text in ipairs { "", bytes, "'; drop table b; --", "\\", bytes:rep(5000), "\xff\xfe", ("x"):rep(70000) } do
		check.equal("stored", db:execute(insert, text).insert_id, i)
		check.that("the same by a statement " .. i, db:execute(find, i)[1].v == text)
		check.that("the same by a query " .. i, db:query("select v from b where id = " .. i)[1].v == text)
		local quoted = db:query("select " .. mysql.quote_sql_str(text) .. " = v same from b where id = " .. i)
		check.that("the same when quoted " .. i, quoted[1].same == 1 or text:find "[\x80-\xff]")
	end
end

local function both_forms(db)
	local columns = "-1 a, cast(18446744073709551615 as unsigned) b, 2.50 c, 2e0 d, 'x' e, date '2020-01-02' f, "
		.. "timestamp '2020-01-02 03:04:05' g, timestamp '2020-01-02 03:04:05.120' h, time '-10:11:12' i, null j, b'101' k"
	local text = db:query("select " .. columns)[1]
	check.equal("in text", text, {
		a = -1, b = 18446744073709551615.0, c = 2.5, d = 2, e = "x", f = "2020-01-02", g = "2020-01-02 03:04:05",
		h = "2020-01-02 03:04:05.120", i = "-10:11:12", k = "\5",
	})
	local binary = db:execute(db:prepare("select " .. columns))[1]
	check.equal("in binary form", binary, {
		a = -1, b = -1, c = 2.5, d = 2.0, e = "x", f = "2020-01-02", g = "2020-01-02 03:04:05",
		h = "2020-01-02 03:04:05.120", i = "-10:11:12", k = "\5",
	})
	local echoed = db:execute(db:prepare "select ? a, ? b, ? c, ? d, ? e", 1, 1.5, "x", true, nil)[1]
	check.equal("parameters", { echoed.a, echoed.b, echoed.c, echoed.d, echoed.e }, { 1, 1.5, "x", 1 })
	check.fails("a table", "invalid parameter type table", db.execute, db, db:prepare "select ?", {})
end

local function several(db)
	check.equal("several results", db:query "select 1 a; do 0; select 2 b", {
		{ { a = 1 } }, { affected_rows = 0, insert_id = 0, server_status = 10, warning_count = 0 }, { { b = 2 } }, multiresultset = true,
	})
	local bad = db:query "select 1 a; select * from nowhere; select 2"
	check.equal("a failure ends them", { bad[1], bad[2], bad.badresult, bad.errno, bad.multiresultset }, { { { a = 1 } }, nil, true, 1146, true })
end

local function accounts()
	for what, wrong in pairs {
		["wrong password"] = { password = "x" }, ["no password"] = { password = "" }, ["unknown user"] = { user = "nobody" },
		["unknown database"] = { database = "nothing_here" },
	} do
		check.equal(what, { pcall(mysql.connect, conf(wrong)) }, { false, socketchannel.error })
	end
end

local function transactions()
	local db = mysql.connect(conf { pool = 3 })
	db:query "create or replace table n (v int) engine = innodb"
	db:query "insert into n values (0)"
	local left = 20
	for _ = 1, left do
		skynet.fork(function()
			db:with(function(one)
				one:query "begin"
				local v = one:query "select v from n for update"[1].v
				one:query("update n set v = " .. v + 1)
				one:query "commit"
			end)
			left = left - 1
		end)
	end
	check.await(function() return left == 0 end)
	check.equal("none is lost", db:query "select v from n", { { v = 20 } })
	check.fails("an error undoes it", "^no$", db.with, db, function(one)
		one:query "begin"
		one:query "update n set v = 100"
		error("no", 0)
	end)
	check.equal("undone", db:query "select v from n", { { v = 20 } })
	check.fails("statements need one", "prepare belongs to one connection", db.prepare, db, "select 1")
	db:disconnect()
end

local function deadlines()
	local db = mysql.connect(conf { query_timeout_ms = 200 })
	check.fails("too late", "query timeout: 200 ms at 127.0.0.1:%d+: do sleep%(30%)", db.query, db, "do sleep(30)")
	check.equal("and again", db:query "select 1 a", { { a = 1 } })
	db:disconnect()
end

check.main(function()
	local db = mysql.connect(conf())
	db:query "create or replace table mt (m mediumint, y year)"
	db:query "insert into mt values (-5, 2020)"
	check.equal("mediumint and year", db:execute(db:prepare "select m, y, 7 z from mt"), { { m = -5, y = 2020, z = 7 } })
	any_bytes(db)
	both_forms(db)
	several(db)
	accounts()
	transactions()
	deadlines()
	db:set_compact_arrays(true)
	check.equal("compact", db:query "select 1, null, 'x'", { { 1, nil, "x" } })
end)
