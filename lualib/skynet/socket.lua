-- Sockets for coroutines: reading blocks the calling coroutine, not the service.
--
-- The engine sends this service an event for all that happens to a socket; a record per id keeps what has been
-- received and the one coroutine that waits for more. A read that the buffer can satisfy never waits and costs
-- one call into the engine's buffer; the number of bytes buffered is kept here, so that a read that must wait
-- need not ask first.
--
-- Limits: an id is paused when more than 128 KiB lie unread (the next read that waits resumes it), and closed
-- when it exceeds the limit the program has set.

local skynet = require "skynet"
local driver = require "skynet.socketdriver"

local UNREAD_BYTES_MAX = 128 * 1024

local NEED_NEW = 0 -- `block`: any new data will do, none is taken
local NEED_ALL = -1 -- `read(id)`: any data will do, all of it is taken

local running = coroutine.running
local wait, wakeup = skynet.wait, skynet.wakeup
local push, pop, find_line, take_all = driver.push, driver.pop, driver.readline, driver.readall

---@class skynet.socket.Record
---@field id integer
---@field buffer userdata|nil   received and not yet read; nil for listeners and UDP
---@field size integer          bytes in it
---@field connected boolean
---@field connecting boolean|string|nil  true while open, start or bind waits; then the reason of a failure
---@field reader thread|nil     the one coroutine that waits for an event of this id
---@field need integer|nil      bytes it waits for, or NEED_NEW, NEED_ALL
---@field sep string|nil        line end it waits for
---@field all boolean|nil       it waits for the end
---@field closing thread|nil    coroutine in `close` that lets the reader go first
---@field paused boolean|nil
---@field limit integer|nil     bytes
---@field callback function|nil accept or datagram callback
---@field warning function|nil
---@field udp boolean|nil
---@field bound table|nil       {address, port} of a listener

---@type table<integer, skynet.socket.Record>
local records = {}
---@type table<integer, function>
local onclose = {}
-- Free list of the engine's buffers.
local pool = {}

local socket = {}

local function wake(s)
	local co = s.reader
	if co then
		s.reader = nil
		wakeup(co)
	end
end

-- Blocks the calling coroutine until an event of this id wakes it.
local function suspend(s)
	local co = running()
	s.reader = co
	if s.paused and not s.closing then
		s.paused = nil
		skynet.error(string.format("Resume socket (%d)", s.id))
		driver.start(s.id)
	end
	wait(co)
	s.reader, s.need, s.sep, s.all = nil, nil, nil, nil
	if s.closing then
		wakeup(s.closing)
	end
end

-- Whether a coroutine waits; one that was killed in it does so no more.
local function is_read(s)
	if s.reader and coroutine.status(s.reader) == "dead" then
		s.reader, s.need, s.sep, s.all = nil, nil, nil, nil
	end
	return s.reader ~= nil
end

local function pause(s, size)
	if s.paused then
		return
	end
	s.paused = true
	driver.pause(s.id)
	if size then
		skynet.error(string.format("Pause socket (%d) size : %d", s.id, size))
	else
		skynet.error(string.format("Pause socket (%d)", s.id))
	end
end

local function take_rest(s)
	if s.size == 0 then
		return ""
	end
	s.size = 0
	return take_all(s.buffer, pool)
end

-- Events

local function on_data(id, size, data)
	local s = records[id]
	local buffer = s and s.buffer
	if not buffer then
		skynet.error(string.format("socket: drop package from %d", id))
		driver.drop(data, size)
		return
	end
	size = push(buffer, pool, data, size)
	s.size = size
	local need = s.need
	if need then
		if size >= need then
			s.need = nil
			wake(s)
			if size > UNREAD_BYTES_MAX and need ~= NEED_ALL and size - need > UNREAD_BYTES_MAX then
				pause(s, size)
			end
		end
		return
	end
	if s.limit and size > s.limit then
		skynet.error(string.format("socket buffer overflow: fd=%d size=%d", id, size))
		driver.close(id)
		return
	end
	local sep = s.sep
	if sep then
		if not find_line(buffer, nil, sep) then
			return
		end
		s.sep = nil
		wake(s)
	elseif s.all then
		return
	end
	if size > UNREAD_BYTES_MAX then
		pause(s, size)
	end
end

local function on_connect(id, port, address)
	local s = records[id]
	if s == nil then
		return
	end
	if s.connecting then
		s.connecting = nil
		s.connected = true
		if s.bound then
			s.bound.address, s.bound.port = address, port
		end
		wake(s)
	end
end

local function on_close(id)
	local s = records[id]
	if s then
		s.connected = false
		wake(s)
	else
		driver.close(id)
	end
	local f = onclose[id]
	if f then
		onclose[id] = nil
		f(id)
	end
end

local function on_accept(id, new_id, address)
	local s = records[id]
	if s and s.callback then
		s.callback(new_id, address)
	else
		driver.close(new_id)
	end
end

local function on_error(id, _, err)
	local s = records[id]
	if s == nil then
		skynet.error(string.format("socket: error on unknown %d %s", id, err))
		driver.shutdown(id)
	elseif s.connecting then
		s.connecting = err
		wake(s)
	elseif s.callback or s.udp then
		skynet.error("socket: accept error: " .. tostring(err))
	else
		-- One that is half closed has lost nothing more.
		if s.connected then
			skynet.error(string.format("socket: error on %d %s", id, err))
		end
		s.connected = false
		driver.shutdown(id)
		wake(s)
	end
end

local function on_datagram(id, size, data, from)
	local s = records[id]
	if s and s.callback then
		local text = skynet.tostring(data, size)
		driver.drop(data, size)
		s.callback(text, from)
	else
		skynet.error(string.format("socket: drop udp package from %d", id))
		driver.drop(data, size)
	end
end

local function on_warning(id, kib)
	local s = records[id]
	if s and s.warning then
		s.warning(id, kib)
	else
		skynet.error(string.format("WARNING: %d K bytes need to send out (fd = %d)", kib, id))
	end
end

-- By the engine's event numbers.
local events = { on_data, on_connect, on_close, on_accept, on_error, on_datagram, on_warning }

skynet.register_protocol {
	name = "socket",
	id = skynet.PTYPE_SOCKET,
	unpack = driver.unpack,
	dispatch = function(_, _, kind, id, ud, data, from)
		local f = events[kind]
		if f then
			f(id, ud, data, from)
		end
	end,
}

-- Opening

local function assert_unused(id)
	local s = records[id]
	assert(s == nil or (s.bound and not s.callback), "socket is not closed")
	assert(onclose[id] == nil, "socket has onclose callback")
end

local function connect(id, callback)
	assert_unused(id)
	local s = {
		id = id,
		buffer = callback == nil and driver.buffer() or nil,
		size = 0,
		connected = false,
		connecting = true,
		callback = callback,
	}
	records[id] = s
	suspend(s)
	if s.connected then
		return id
	end
	if s.connecting == true then
		-- Woken by a stranger, who wants the wait to end: nobody will use this socket.
		s.connecting = "interrupted"
		driver.close(id)
	end
	if records[id] == s then
		records[id] = nil
	end
	return nil, s.connecting
end

---Connects to a TCP address.
---@param addr string  host, or `"host:port"`
---@param port integer|nil
---@return integer|nil id
---@return string|nil err
function socket.open(addr, port)
	local id = driver.connect(addr, port)
	return connect(id)
end

---Adopts an open descriptor of the process.
---@param os_fd integer
---@return integer|nil id
---@return string|nil err
function socket.bind(os_fd)
	local id = driver.bind(os_fd)
	return connect(id)
end

---Standard input as a socket.
---@return integer|nil id
---@return string|nil err
function socket.stdin()
	return socket.bind(0)
end

---Binds and listens; nothing is accepted until `start`.
---@param host string
---@param port integer|nil  0 picks a free one
---@param backlog integer|nil  default 32
---@return integer id, string address, integer port
function socket.listen(host, port, backlog)
	local id = driver.listen(host, port, backlog)
	local s = { id = id, size = 0, connected = false, connecting = true, bound = {} }
	records[id] = s
	suspend(s)
	return id, s.bound.address, s.bound.port
end

---Begins to accept (with `func`), or takes an accepted or abandoned socket over for reading.
---@param id integer
---@param func fun(id: integer, address: string)|nil  runs for each accepted connection in a coroutine of its own
---@return integer|nil id
---@return string|nil err
function socket.start(id, func)
	assert_unused(id)
	driver.start(id)
	return connect(id, func)
end

-- Reading

local function reader_of(id)
	local s = records[id]
	assert(s)
	return s
end

---Reads `size` bytes, or without `size` what there is, at least a byte.
---@param id integer
---@param size integer|nil  bytes
---@return string|false data  false: closed before that
---@return string|nil rest  what was buffered then
function socket.read(id, size)
	local s = records[id]
	assert(s)
	if size == nil then
		if s.size == 0 and s.connected then
			assert(not is_read(s))
			s.need = NEED_ALL
			suspend(s)
		end
		if s.size > 0 then
			s.size = 0
			return take_all(s.buffer, pool)
		end
		return false, ""
	end
	if size <= 0 then
		return ""
	end
	if s.size < size and s.connected then
		assert(not is_read(s))
		s.need = size
		suspend(s)
	end
	if s.size >= size then
		local text
		text, s.size = pop(s.buffer, pool, size)
		return text
	end
	return false, take_rest(s)
end

local function take_line(s, sep)
	if s.size > 0 then
		local line = find_line(s.buffer, pool, sep)
		if line then
			s.size = s.size - #line - #sep
			return line
		end
	end
end

---Reads a line.
---@param id integer
---@param sep string|nil  line end, default `"\n"`; is dropped
---@return string|false line  false: closed before its end
---@return string|nil rest  what was buffered then
function socket.readline(id, sep)
	local s = reader_of(id)
	sep = sep or "\n"
	local line = take_line(s, sep)
	if line == nil and s.connected then
		assert(not is_read(s))
		s.sep = sep
		suspend(s)
		line = take_line(s, sep)
	end
	if line then
		return line
	end
	return false, take_rest(s)
end

---Reads all up to the end. On a socket that has ended already: what is left, or false.
---@param id integer
---@return string|false
function socket.readall(id)
	local s = reader_of(id)
	if s.connected then
		assert(not is_read(s))
		s.all = true
		suspend(s)
	elseif s.size == 0 then
		return false
	end
	return take_rest(s)
end

---Waits for data beyond what is buffered; takes nothing.
---@param id integer
---@return boolean  false: closed, or unknown
function socket.block(id)
	local s = records[id]
	if s == nil or not s.connected then
		return false
	end
	assert(not is_read(s))
	s.need = NEED_NEW
	suspend(s)
	return s.connected
end

---@param id integer
---@return integer  bytes that were received and not yet read
function socket.unread(id)
	local s = records[id]
	return s and s.size or 0
end

---Stops reading; the next read that has to wait resumes it.
---@param id integer
function socket.pause(id)
	local s = records[id]
	if s == nil or s.paused then
		return
	end
	pause(s)
	skynet.yield()
end

---Closes the socket when more than `bytes` are buffered that no sized read waits for.
---@param id integer
---@param bytes integer|nil  nil: no limit
function socket.limit(id, bytes)
	reader_of(id).limit = bytes
end

-- Writing: the engine's functions as they are, for any id.

---@type fun(id: integer, data: string|table|lightuserdata, size: integer|nil): boolean  true: queued
socket.write = driver.send
---@type fun(id: integer, data: string|table|lightuserdata, size: integer|nil): boolean  after all that `write` has queued
socket.lwrite = driver.lsend
---@type fun(text: string): integer  big-endian number of 1 to 4 bytes
socket.header = driver.header

---Calls `f(id, kib)` as the data that waits to be sent grows; 0 when all is sent.
---@param id integer
---@param f fun(id: integer, kib: integer)
function socket.warning(id, f)
	reader_of(id).warning = f
end

-- Closing

---Closes the socket. What is queued is still sent; a coroutine that waits in a read sees the end first.
---@param id integer
function socket.close(id)
	local s = records[id]
	if s == nil then
		return
	end
	driver.close(id)
	if s.connected then
		if is_read(s) then
			assert(not s.closing)
			local co = running()
			s.closing = co
			wait(co)
			s.closing = nil
		else
			s.closing = nil
			local paused = s.paused
			s.paused = nil -- an own close does not resume
			suspend(s)
			s.paused = paused
		end
		s.connected = false
	elseif s.connecting == true then
		s.connecting = "socket closed"
		wake(s)
	end
	if records[id] == s then
		records[id] = nil
	end
end

---Closes an id that this service does not read, for instance to refuse a connection.
---@param id integer
function socket.close_fd(id)
	assert(records[id] == nil, "Use socket.close instead")
	driver.close(id)
end

---Closes at once; what is queued is dropped. The id must still be closed.
---@param id integer
function socket.shutdown(id)
	if records[id] then
		driver.shutdown(id)
	end
end

---Forgets the socket without closing it, for another service to `start` it.
---@param id integer
function socket.abandon(id)
	local s = records[id]
	if s then
		s.connected = false
		records[id] = nil
		onclose[id] = nil
		wake(s)
	end
end

---Calls `f(id)` once when the socket is closed, by either side. nil removes it.
---@param id integer
---@param f fun(id: integer)|nil
function socket.onclose(id, f)
	onclose[id] = f
end

---@param id integer
---@return boolean  true: this service does not know the id
function socket.invalid(id)
	return records[id] == nil
end

---@param id integer
---@return boolean|nil  nil: this service does not know the id
function socket.disconnected(id)
	local s = records[id]
	if s then
		return not (s.connected or s.connecting == true)
	end
end

---@type fun(): table[]  every socket of the node
socket.netstat = driver.info
---@type fun(host: string): string[]
socket.resolve = driver.resolve

require "skynet.socket.udp" (socket, records)

return socket
