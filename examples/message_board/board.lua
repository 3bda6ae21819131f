-- The messages: `add(text)` gives the number of a new one, `list()` all of them. Both give nil and a reason when the
-- database cannot be reached, and work again when it is back.
--
-- Which database, says the config key `board_store`. A text never becomes part of a statement: it goes beside it as a
-- parameter, so no quote in it can end anything (docs/databases.md).

local skynet = require "skynet"

local COMMAND = {}

local function open()
	local spec = skynet.getenv "board_store" or "sqlite:message_board.db"
	local kind, rest = spec:match "^(%w+):(.*)$"
	if kind == "sqlite" then
		return require "store_sqlite".open(rest)
	elseif kind == "mysql" then
		return require "store_mysql".open(rest)
	end
	error("board_store: sqlite:FILE or mysql://USER:PASSWORD@HOST:PORT/DATABASE is expected, not " .. spec)
end

local store

-- Opens the store when it is needed, and gives what failed as a text for the client.
local function attempt(method, ...)
	local ok, result = pcall(function(...)
		store = store or open()
		return store[method](store, ...)
	end, ...)
	if not ok then
		skynet.error(string.format("message_board: %s: %s", method, tostring(result)))
		return nil, "the database cannot be reached, try again later"
	elseif type(result) == "table" and result.badresult then
		skynet.error(string.format("message_board: %s: error %d: %s", method, result.errno, result.err))
		return nil, "the database refuses: " .. result.err
	end
	return result
end

function COMMAND.add(text)
	return attempt("add", text)
end

function COMMAND.list()
	return attempt "list"
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(COMMAND[name](...))
	end)
	-- A board without a database says so at once, and goes on trying.
	attempt "list"
end)
