-- SQLite: a database is closed with the service that opened it, and another service cannot use it.

local skynet = require "skynet"
local sqlite = require "skynet.db.sqlite"
local check = require "check"
local service = require "skynet.service"

local function holder()
	local skynet = require "skynet"
	local sqlite = require "skynet.db.sqlite"
	local db
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, path)
			if path then
				db = sqlite.open(path)
				db:query "create table if not exists t (v)"
				db:query "pragma locking_mode = exclusive"
				skynet.retpack(db:query("insert into t values (1)"), db.id)
			else
				skynet.exit()
			end
		end)
	end)
end

check.main(function()
	local path = os.tmpname()
	local address = service.new("holder", holder)
	local result, id = skynet.call(address, "lua", path)
	check.equal("it stores", result.affected_rows, 1)
	local stranger = skynet.call(".sqlite", "lua", "query", id, "select 1")
	check.equal("another service cannot", { stranger.badresult, stranger.err }, { true, "sqlite: the database is closed" })
	skynet.send(address, "lua")
	local db = check.await(function()
		local db = sqlite.open(path)
		local got = db:query "select v from t"
		if not got.badresult then
			return db
		end
		db:close()
	end)
	check.equal("its end has closed it", db:query "select v from t", { { v = 1 } })
	check.equal("what is no request is answered", skynet.call(".sqlite", "lua", "nonsense").badresult, true)
	check.equal("nor is a closed one open", skynet.call(".sqlite", "lua", "query", -1, "select 1").badresult, true)
	db:close()
	os.remove(path)
end)
