-- Messages in MySQL or MariaDB. The database must exist; the table is made.

local mysql = require "skynet.db.mysql"

local UNKNOWN_STATEMENT = 1243
local INSERT = "insert into message (text) values (?)"

local store = {}
store.__index = store

---@param address string  `//USER:PASSWORD@HOST:PORT/DATABASE`
function store.open(address)
	local user, password, host, port, database = address:match "^//([^:]*):(.*)@([^:@]+):(%d+)/(.+)$"
	assert(user, "board_store: mysql://USER:PASSWORD@HOST:PORT/DATABASE is expected")
	local db = mysql.connect {
		host = host,
		port = tonumber(port),
		user = user,
		password = password,
		database = database,
		charset = "utf8mb4",
		connect_timeout_ms = 3000,
		query_timeout_ms = 5000,
	}
	local made = db:query "create table if not exists message (id int auto_increment primary key, text longblob not null)"
	if made.badresult then
		error(made.err)
	end
	return setmetatable({ db = db }, store)
end

function store:add(text)
	-- A prepared statement belongs to its connection: after the server was away, there is a new one.
	for _ = 1, 2 do
		if not self.insert then
			local statement = self.db:prepare(INSERT)
			if statement.badresult then
				return statement
			end
			self.insert = statement
		end
		local result = self.db:execute(self.insert, text)
		if result.errno ~= UNKNOWN_STATEMENT then
			return result.badresult and result or result.insert_id
		end
		self.insert = nil
	end
	return { badresult = true, errno = UNKNOWN_STATEMENT, err = "the statement is lost again and again" }
end

function store:list()
	return self.db:query "select id, text from message order by id"
end

return store
