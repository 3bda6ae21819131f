-- One connection of a `skynet.socketchannel`, and those who wait for answers from it.
--
-- What belongs to a connection (who waits, for which answer, why it ended) is kept in its record, so nothing outlives
-- it: a waiter gets its answer from the connection it has sent to, or an error.
--
-- In order mode there is no coroutine between the socket and the caller. Callers draw tickets as they write; the one
-- whose turn it is reads its own answer and hands the turn on. In session mode a coroutine for each connection reads
-- and wakes whom the answer is for.

local skynet = require "skynet"
local socket = require "skynet.socket"

local running = coroutine.running
local wait, wakeup, fork = skynet.wait, skynet.wakeup, skynet.fork

local LOST = setmetatable({}, { __tostring = function() return "[Error: socket]" end })

---@class skynet.socketchannel.Connection
---@field id integer
---@field so table            what response functions read from; `so[1]` is the id, `so.fresh` is set when a request
---  was sent while nobody waited: what has been received before that is no answer to it
---@field gathered string[]|nil  requests that go out when the coroutines of this turn wait
---@field tls welkin.tls.Stream|nil  what is sent goes through it; `so` then reads from it
---@field lost fun(conn: skynet.socketchannel.Connection)  called as it ends
---@field failed any          why it ended; then nobody waits any more
---@field detached boolean|nil  the channel has turned to a new one, waiters still read what has come
---@field reader thread|nil   order mode: whose turn it is
---@field turn integer        order mode: ticket of the answer that is read or will be next
---@field last integer        order mode: the last ticket drawn
---@field queue table<integer, thread|function>  who waits, by ticket; a function: the waiter is gone, it skips the answer
---@field tickets table<thread, integer>
---@field readers table<integer, function>  response functions of who waits, by ticket
---@field waiting table<any, thread>  session mode: who waits, by session
---@field overtaken table<thread, boolean>  who waited by a session that was used once more
---@field parts table<any, table>     session mode: answers of which more is to come
---@field good table<thread, boolean> session mode: answers on their way to the waiter
---@field data table<thread, any>

-- Ending

-- All who wait get `err`. The socket stays open for the caller to close.
local function fail(conn, err)
	if err == nil then
		err = LOST
	end
	conn.failed = err
	conn.lost(conn)
	for ticket = conn.turn, conn.last do
		local co = conn.queue[ticket]
		if type(co) == "thread" then
			wakeup(co)
		end
	end
	for _, co in pairs(conn.waiting) do
		wakeup(co)
	end
	for co in pairs(conn.overtaken) do
		wakeup(co)
	end
end

local function drop(conn, err)
	if conn.failed == nil then
		fail(conn, err)
		socket.close(conn.id)
	end
end

-- From where nothing can wait: finalizers, closing variables.
local function drop_later(conn)
	if conn.failed == nil then
		fail(conn, LOST)
		fork(socket.close, conn.id)
	end
end

-- Answers in order

local read_answer

local function hand_on(conn)
	local ticket = conn.turn + 1
	conn.turn, conn.reader = ticket, nil
	if ticket > conn.last then
		if conn.detached then
			drop(conn, LOST)
		end
		return
	end
	local queue = conn.queue
	local co = queue[ticket]
	queue[ticket] = nil
	if type(co) == "function" then
		fork(pcall, read_answer, conn, co)
		return
	end
	conn.readers[ticket], conn.tickets[co] = nil, nil
	conn.reader = co
	wakeup(co)
end

-- Whoever waits for a ticket and goes away leaves its response function behind, to skip the answer.
local function leave(conn, co)
	local ticket = conn.tickets[co]
	conn.tickets[co] = nil
	conn.queue[ticket] = conn.readers[ticket]
	conn.readers[ticket] = nil
end

local order_meta = {
	-- A waiter ends. Only if it was killed is there something to do.
	__close = function(conn)
		local co = running()
		if conn.reader == co then
			drop_later(conn)
		elseif conn.tickets[co] and conn.failed == nil then
			leave(conn, co)
		end
	end,
}

local function collect(so, f, first)
	local parts, count = { first }, 1
	while true do
		local ok, data, more = f(so)
		if not ok then
			return false, data
		end
		count = count + 1
		parts[count] = data
		if not more then
			return true, parts
		end
	end
end

-- It is this coroutine's turn.
function read_answer(conn, f)
	conn.reader = running()
	local so = conn.so
	local alive, ok, data, more = pcall(f, so)
	if alive and ok and more then
		alive, ok, data = pcall(collect, so, f, data)
	end
	if not alive then
		conn.reader = nil
		local err = ok
		drop(conn, err)
		error(conn.failed)
	end
	if conn.failed == nil then
		hand_on(conn)
	end
	if ok then
		return data
	end
	error(data)
end

local function answer_in_order(conn, f)
	local ticket = conn.last + 1
	conn.last = ticket
	local _ <close> = conn
	if ticket ~= conn.turn then
		local co = running()
		conn.queue[ticket], conn.readers[ticket], conn.tickets[co] = co, f, ticket
		wait(co)
		if conn.failed ~= nil then
			error(conn.failed)
		elseif conn.reader ~= co then
			-- A stranger has woken it.
			leave(conn, co)
			error(LOST)
		end
	end
	return (read_answer(conn, f))
end

-- Answers by session

local function answer_of_session(conn, session)
	local co = running()
	local waiting = conn.waiting
	local before = waiting[session]
	if before then
		-- Nobody will answer the earlier one; it learns when the connection ends.
		conn.overtaken[before] = true
	end
	waiting[session] = co
	wait(co)
	local ok = conn.good[co]
	if ok == nil then
		if waiting[session] == co then
			waiting[session] = nil
		end
		conn.overtaken[co] = nil
		error(conn.failed == nil and LOST or conn.failed)
	end
	local data = conn.data[co]
	conn.good[co], conn.data[co] = nil, nil
	if ok then
		return data
	end
	error(data)
end

local function deliver(conn, session, ok, data, more)
	local co = conn.waiting[session]
	if co == nil then
		skynet.error("socket: unknown session :", session)
		return
	end
	local parts = conn.parts[session]
	if ok and more then
		if parts == nil then
			parts = {}
			conn.parts[session] = parts
		end
		parts[#parts + 1] = data
		return
	end
	if parts then
		conn.parts[session] = nil
		if ok then
			parts[#parts + 1] = data
			data = parts
		end
	end
	conn.waiting[session] = nil
	conn.good[co], conn.data[co] = ok and true or false, data
	wakeup(co)
end

local function read_sessions(conn, f)
	local so = conn.so
	while conn.failed == nil do
		local alive, session, ok, data, more = pcall(f, so)
		if not alive then
			drop(conn, session)
		elseif session == nil then
			drop(conn, LOST)
		else
			deliver(conn, session, ok, data, more)
		end
	end
end

-- The record

local weak_keys = { __mode = "k" }

local connection = {
	LOST = LOST,
	drop = drop,
	drop_later = drop_later,
	answer_in_order = answer_in_order,
	answer_of_session = answer_of_session,
	read_sessions = read_sessions,
}

---@param id integer  a connected socket
---@param so_meta table  metatable of what response functions read from
---@param lost fun(conn: skynet.socketchannel.Connection)
---@return skynet.socketchannel.Connection
function connection.new(id, so_meta, lost)
	return setmetatable({
		id = id,
		so = setmetatable({ id }, so_meta),
		lost = lost,
		turn = 1,
		last = 0,
		queue = {},
		readers = {},
		tickets = setmetatable({}, weak_keys),
		waiting = {},
		overtaken = setmetatable({}, weak_keys),
		parts = {},
		good = setmetatable({}, weak_keys),
		data = setmetatable({}, weak_keys),
	}, order_meta)
end

---@param conn skynet.socketchannel.Connection
---@return boolean  true: nobody waits for an answer in order
function connection.idle(conn)
	return conn.turn > conn.last
end

return connection
