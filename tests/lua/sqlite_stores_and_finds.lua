-- SQLite: what is stored comes back, errors are returned, transactions are for one coroutine.

local skynet = require "skynet"
local sqlite = require "skynet.db.sqlite"
local check = require "check"

local function values_come_back(db)
	check.equal("a table is made", db:query "create table t (id integer primary key, v)", { affected_rows = 0, insert_id = 0 })
	local values = { 1, -5, math.maxinteger, 1.5, 2.0, "", "text", "it's \"quoted\"; -- \\", "a\nb\r\n", "\0\1\255", "\xc3\xa9" }
	for i, value in ipairs(values) do
		check.equal("insert " .. i, db:query("insert into t (v) values (?)", value), { affected_rows = 1, insert_id = i })
	end
	for i, row in ipairs(db:query "select v from t order by id") do
		check.equal("value " .. i, row, { v = values[i] })
	end
	check.equal("true is 1, nil is NULL", db:query("select ? a, ? b, ? c", true, nil, false), { { a = 1, c = 0 } })
	check.equal("no rows", db:query "select v from t where id = 0", {})
	check.equal("rows changed", db:query "update t set v = 0 where id <= 3", { affected_rows = 3, insert_id = 11 })
	local several = db:query "select 1 a; update t set v = 1 where id = 1; select 'x;y' b;"
	check.equal("several statements", several, { { { a = 1 } }, { affected_rows = 1, insert_id = 11 }, { { b = "x;y" } }, multiresultset = true })
	local rows = db:query "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select i from n"
	check.equal("many rows", { #rows, rows[10000] }, { 10000, { i = 10000 } })
end

local function errors_are_returned(db)
	local bad = db:query "select * from nowhere"
	check.equal("no table", { bad.badresult, bad.errno, bad.err, bad.sqlstate }, { true, 1, "no such table: nowhere", "HY000" })
	db:query "create table u (v unique)"
	db:query("insert into u values (?)", 1)
	check.equal("not unique", db:query("insert into u values (?)", 1).sqlstate, "23000")
	check.equal("too few values", db:query "select ?".badresult, true)
	check.equal("too many values", db:query("select 1", 2).badresult, true)
	check.equal("an empty query", db:query "".err, "the query is empty")
	check.fails("a table as a value", "invalid parameter type table", db.query, db, "select ?", {})
	check.fails("no text", "a text in UTF%-8 is expected", db.query, db, "select '\xff'")
	check.fails("a folder that is not there", "cannot open /nowhere/at/all.db: unable to open", sqlite.open, "/nowhere/at/all.db")
end

local function transactions_are_whole(db)
	db:query "create table a (v)"
	local function count()
		return db:query "select count(*) n from a"[1].n
	end
	local seen
	check.equal("its results", { db:transaction(function(inside)
		inside:query "insert into a values (1)"
		skynet.fork(function() seen = count() end)
		skynet.sleep(5)
		check.equal("others wait", seen, nil)
		inside:query "insert into a values (2)"
		return "x", nil, "y"
	end) }, { "x", nil, "y" })
	check.await(function() return seen end)
	check.equal("they see it whole", seen, 2)
	check.fails("an error passes through", "^no$", db.transaction, db, function(inside)
		inside:query "insert into a values (3)"
		error("no", 0)
	end)
	check.equal("and undoes it", count(), 2)
	check.fails("not in itself", "a transaction in a transaction", db.transaction, db, function(inside)
		inside:transaction(print)
	end)
	local killed = skynet.fork(function()
		db:transaction(function(inside)
			inside:query "insert into a values (4)"
			skynet.wait()
		end)
	end)
	check.await(function() return coroutine.status(killed) == "suspended" end)
	skynet.sleep(5)
	coroutine.close(killed)
	check.equal("a coroutine that is killed in it undoes it", count(), 2)
end

local function files_are_kept()
	local path = os.tmpname()
	local db = sqlite.open(path, { wal = true })
	db:query "create table t (v)"
	db:query("insert into t values (?)", "kept")
	db:close()
	check.fails("after close", "the database is closed", db.query, db, "select 1")
	local again = sqlite.open(path)
	check.equal("what was stored is there", again:query "select v from t", { { v = "kept" } })
	again:close()
	for _, ending in ipairs { "", "-wal", "-shm" } do
		os.remove(path .. ending)
	end
end

local function nobody_else_waits(db)
	local done
	skynet.fork(function()
		done = db:query "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select count(*) c from n"[1].c
	end)
	local turns = 0
	check.await(function()
		turns = turns + 1
		return done
	end)
	check.that("the service went on meanwhile", turns > 1)
	check.equal("the query too", done, 3000000)
end

check.main(function()
	local db = sqlite.open()
	values_come_back(db)
	errors_are_returned(db)
	transactions_are_whole(db)
	files_are_kept()
	nobody_else_waits(db)
end)
