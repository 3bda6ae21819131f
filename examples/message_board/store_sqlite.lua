-- Messages in a file: no server, nothing to set up.

local sqlite = require "skynet.db.sqlite"

local store = {}
store.__index = store

---@param path string
function store.open(path)
	local db = sqlite.open(path, { wal = true })
	local made = db:query "create table if not exists message (id integer primary key autoincrement, text blob not null)"
	if made.badresult then
		error(made.err)
	end
	return setmetatable({ db = db }, store)
end

function store:add(text)
	local result = self.db:query("insert into message (text) values (?)", text)
	return result.badresult and result or result.insert_id
end

function store:list()
	return self.db:query "select id, text from message order by id"
end

return store
