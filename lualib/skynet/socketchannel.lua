-- One TCP connection shared by many coroutines: each sends its request and gets its own answer.
--
-- Answers are matched by order or, if the channel has a `response` function, by a session in the answer; how, is told
-- in `connection.lua`. Here is how a channel comes by a connection, and by the next one. Nothing is sent twice.
--
-- One coroutine connects (the leader), others that need the connection wait for it. While `auth` runs the connection
-- is `pending`: only the leader can use it. A channel that nobody refers to is collected, and its socket closed: the
-- socket's callbacks find it through a weak table.

local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local connection = require "skynet.socketchannel.connection"

-- 1/100 s. Between rounds of a connect that repeats: nothing, then a second more each time, up to the maximum.
local PAUSE_STEP = 100
local PAUSE_MAX = 1000

local running = coroutine.running
local wait, wakeup, fork, log = skynet.wait, skynet.wakeup, skynet.fork, skynet.error
local answer_in_order, answer_of_session = connection.answer_in_order, connection.answer_of_session
local drop, drop_later = connection.drop, connection.drop_later
local disconnected, write, lwrite = socket.disconnected, socket.write, socket.lwrite

local LOST = connection.LOST

-- What response functions read from.
local function raising(read)
	return function(so, ...)
		local data = read(so, ...)
		if data then
			return data
		end
		error(LOST)
	end
end

local plain_read = raising(function(so, ...) return socket.read(so[1], ...) end)
local plain_readline = raising(function(so, ...) return socket.readline(so[1], ...) end)
local plain_unread = function(so) return socket.unread(so[1]) end

local plain_so = { __index = { read = plain_read, readline = plain_readline, unread = plain_unread } }

local secured_so = {
	__index = {
		read = raising(function(so, size) return so.tls:read(size) end),
		readline = raising(function(so, sep) return so.tls:readline(sep) end),
		unread = function(so) return so.tls:unread() end,
	},
}

---@class skynet.socketchannel.Channel
---@field private conn skynet.socketchannel.Connection|nil  ready for use
---@field private pending skynet.socketchannel.Connection|nil  in authentication
---@field private leader thread|nil    connects
---@field private followers thread[]   wait for the leader
---@field private pausing boolean|nil  the leader sleeps between two rounds
---@field private epoch integer        counts what makes a connect under way begin again
---@field private try integer          counts the hosts tried, and what has ended a try
---@field private closed boolean|nil
---@field private overloaded boolean|nil
local channel = {}
channel.__index = channel

---@type table<integer, skynet.socketchannel.Channel>
local channel_of = setmetatable({}, { __mode = "v" })

-- Ending a connection

local function lost(conn)
	local self = channel_of[conn.id]
	if self then
		if self.conn == conn then
			self.conn = nil
		end
		if self.pending == conn then
			self.pending = nil
		end
	end
end

-- The peer has gone, but what it sent may hold answers for those who wait: they end the connection.
local function detach(self, conn)
	log("socket: disconnect detected ", self.host, self.port)
	self.conn = nil
	if self.response_of_session then
		return
	elseif connection.idle(conn) then
		drop(conn, LOST)
	else
		conn.detached = true
	end
end

-- Order mode: nobody waits for an answer, so nobody reads and sees the end.
local function closed_while_idle(id)
	local self = channel_of[id]
	if self == nil then
		return
	end
	local conn = self.conn or self.pending
	if conn and conn.id == id and connection.idle(conn) then
		log("socket closed by peer : ", self.host, self.port)
		drop(conn, LOST)
	end
end

-- Connecting

local function on_warning(id, kib)
	local self = channel_of[id]
	if self == nil then
		return
	elseif kib == 0 then
		self.overloaded = nil
		self.overload(false)
	elseif self.overloaded then
		local text = "WARNING: %d K bytes need to send out (fd = %d) %s %s"
		log(string.format(text, kib, id, self.host, self.port))
	else
		self.overloaded = true
		self.overload(true)
	end
end

local function new_connection(self, id)
	local conn = connection.new(id, self.so_meta, lost)
	channel_of[id] = self
	if self.nodelay then
		driver.nodelay(id)
	end
	if self.overload then
		if self.overloaded then
			self.overloaded = nil
			self.overload(false)
		end
		socket.warning(id, on_warning)
	end
	if not self.response_of_session then
		socket.onclose(id, closed_while_idle)
	end
	return conn
end

-- The handshake on a connection that nobody reads.
local function secure(self, conn)
	local so = conn.so
	-- The try to connect has a limit of its own.
	conn.tls = require "welkin.tls".connect(conn.id, self.tls, self.host, self.port, 0)
	so.tls = conn.tls
	setmetatable(so, secured_so)
end

local function log_in(self, conn)
	if self.tls and not self.starts_tls then
		secure(self, conn)
	end
	if self.response_of_session then
		fork(connection.read_sessions, conn, self.response_of_session)
	end
	if self.auth then
		self.auth(self)
	end
end

-- False: not to be used, and ended.
local function authenticate(self, conn)
	self.pending = conn
	local ok, err = pcall(log_in, self, conn)
	if not ok and err ~= LOST then
		log("socket: auth failed", err)
	end
	if not ok or disconnected(conn.id) then
		drop(conn, LOST)
	end
	self.pending = nil
	return conn.failed == nil
end

local function add_backups(self, list, known)
	for _, backup in ipairs(self.backup or {}) do
		local host, port = backup, self.port
		if type(backup) == "table" then
			host, port = backup.host, backup.port
		end
		local text = host .. ":" .. tostring(port)
		if not known[text] then
			known[text] = true
			list[#list + 1] = { host = host, port = port }
		end
	end
end

-- Ends the try to connect that the running coroutine begins when it takes too long: first the wait for the socket, then
-- the one in `auth`.
local function limit_try(self, host, port)
	local ms = self.connect_timeout_ms
	if ms == nil then
		return
	end
	local co, try = running(), self.try
	local weak = setmetatable({ self }, { __mode = "v" })
	skynet.timeout((ms + 9) // 10, function()
		local channel = weak[1]
		if channel == nil or channel.try ~= try or channel.leader ~= co then
			return
		end
		log(string.format("socket: connect timeout after %d ms", ms), host, port)
		if channel.pending then
			drop(channel.pending, LOST)
		else
			wakeup(co)
		end
	end)
end

-- The host and each backup once. Returns the error, or nil if connected, or if it is to begin again.
local function connect_round(self)
	local epoch = self.epoch
	local backups, known, tried = {}, {}, 0
	local host, port = self.host, self.port
	add_backups(self, backups, known)
	while true do
		self.try = self.try + 1
		limit_try(self, host, port)
		local id, err = socket.open(host, port)
		if self.epoch ~= epoch then
			if id then
				socket.close(id)
			end
			return
		end
		if id then
			self.host, self.port = host, port
			local conn = new_connection(self, id)
			if authenticate(self, conn) then
				self.conn = conn
				self.try = self.try + 1
				return
			elseif self.epoch ~= epoch then
				return
			end
			err = "no more backup host"
			add_backups(self, backups, known)
		end
		tried = tried + 1
		local backup = backups[tried]
		if backup == nil then
			return err
		end
		host, port = backup.host, backup.port
		log("socket: connect to backup host", host, port)
	end
end

local function pause(self, ti)
	self.pausing = true
	skynet.sleep(ti)
	self.pausing = nil
end

local leader_meta = {
	__close = function(guard)
		local self = guard.channel
		local followers = self.followers
		self.leader, self.pausing, self.followers = nil, nil, {}
		if self.pending then
			drop_later(self.pending)
		end
		for _, co in ipairs(followers) do
			wakeup(co)
		end
	end,
}

-- Connects as the leader. Returns the error of the last round if it gave up.
local function lead(self, once)
	self.leader = running()
	local _ <close> = setmetatable({ channel = self }, leader_meta)
	local ti = 0
	while not self.closed do
		local err = connect_round(self)
		if self.conn then
			if not once then
				log("socket: connect to", self.host, self.port)
			end
			return
		elseif err then
			if once then
				return err
			end
			log("socket: connect", err)
			if ti > PAUSE_MAX then
				log("socket: try to reconnect", self.host, self.port)
				pause(self, ti)
				ti = 0
			else
				pause(self, ti)
			end
			ti = ti + PAUSE_STEP
		end
	end
end

local function follow(self, co)
	local followers = self.followers
	table.insert(followers, co)
	wait(co)
	if followers == self.followers then
		-- A stranger has woken it, so it must not be woken for this any more.
		for i, other in ipairs(followers) do
			if other == co then
				table.remove(followers, i)
				return
			end
		end
	end
end

-- The connection for the running coroutine, or false if the channel is closed.
local function acquire(self, once)
	local co = running()
	if co == self.leader then
		local conn = self.pending
		if conn and not disconnected(conn.id) then
			return conn
		end
		error(LOST)
	end
	while not self.closed do
		local conn, err = self.conn, nil
		if conn then
			if not disconnected(conn.id) then
				return conn
			end
			detach(self, conn)
		else
			if self.leader then
				follow(self, co)
			else
				err = lead(self, once)
			end
			if self.conn then
				return self.conn
			elseif once and not self.closed then
				log(string.format("Connect failed %s %s %s", err, self.host, self.port))
				error(LOST)
			end
		end
	end
	return false
end

---Opens the channel again if it was closed, and connects.
---@param once boolean|nil  one round only, then `error`; else until it is connected
---@return boolean  false: closed meanwhile
function channel:connect(once)
	self.closed = nil
	return acquire(self, once) and true
end

-- Sending

local function send(conn, request)
	local tls = conn.tls
	if tls then
		return tls:write(request)
	end
	return write(conn.id, request)
end

local function send_padded(conn, request, padding)
	-- What is encrypted has to go out in that order.
	local put = conn.tls and send or function(_, text) return lwrite(conn.id, text) end
	local sent = put(conn, request)
	for _, more in ipairs(padding) do
		sent = sent and put(conn, more)
	end
	return sent
end

local function send_gathered(conn)
	local gathered = conn.gathered
	conn.gathered = nil
	return send(conn, gathered)
end

local function flush(conn)
	if conn.gathered and conn.failed == nil and not send_gathered(conn) then
		drop(conn, LOST)
	end
end

-- Who asks while others wait is about to wait too, so what all of them ask in one turn of the service goes out as one.
local function gather(conn, request)
	local gathered = conn.gathered
	if gathered == nil then
		gathered = {}
		conn.gathered = gathered
		fork(flush, conn)
	end
	if type(request) == "table" then
		table.move(request, 1, #request, #gathered + 1, gathered)
	else
		gathered[#gathered + 1] = request
	end
end

---Sends a request and waits for its answer.
---@param request string|string[]
---@param response any  order mode: the function that reads the answer; session mode: the session; nil: do not wait
---@param padding string[]|nil  sent behind the request, all with low priority
---@return any
function channel:request(request, response, padding)
	local conn = self.conn
	if conn == nil or disconnected(conn.id) then
		conn = assert(acquire(self, true))
	end
	local sent = true
	if response ~= nil then
		if conn.turn > conn.last then
			conn.so.fresh = true
		elseif self.gather and not padding then
			gather(conn, request)
			return answer_in_order(conn, response)
		end
	end
	if conn.gathered then
		sent = send_gathered(conn)
	end
	if padding then
		sent = sent and send_padded(conn, request, padding)
	else
		sent = sent and send(conn, request)
	end
	if not sent then
		drop(conn, LOST)
		error(LOST)
	end
	if response == nil then
		return
	elseif self.response_of_session then
		return answer_of_session(conn, response)
	end
	return answer_in_order(conn, response)
end

---Waits for an answer without a request.
---@param response any  as in `request`
---@return any
function channel:response(response)
	local conn = assert(acquire(self))
	if self.response_of_session then
		return answer_of_session(conn, response)
	end
	return answer_in_order(conn, response)
end

---In `auth` of a channel with `starts_tls`: the rest is encrypted.
function channel:secure()
	local conn = acquire(self, true)
	if socket.unread(conn.id) > 0 then
		-- It would be taken for what the server says under its certificate.
		error("the server has sent more before the encryption begins", 0)
	end
	secure(self, conn)
end

-- Changing

-- Makes a connect under way begin again, and ends the connection.
local function interrupt(self)
	self.epoch = self.epoch + 1
	if self.pausing then
		wakeup(self.leader)
	end
	local conn = self.conn or self.pending
	if conn then
		drop(conn, LOST)
	end
end

---Ends the connection; who waits gets `error`. Requests fail until `connect`.
function channel:close()
	if self.closed then
		return
	end
	self.closed = true
	local followers = self.followers
	self.followers = {}
	for _, co in ipairs(followers) do
		wakeup(co)
	end
	interrupt(self)
end

---The next connection goes to another host; the present one is closed.
---@param host string
---@param port integer|nil  nil: as before
function channel:changehost(host, port)
	self.host = host
	if port then
		self.port = port
	end
	interrupt(self)
end

---@param backup (string|{host: string, port: integer})[]|nil  counts from the next connect on
function channel:changebackup(backup)
	self.backup = backup
end

function channel:__gc()
	local conn = self.conn
	if conn then
		drop_later(conn)
	end
end

-- The module

local socketchannel = { error = LOST }

---@class skynet.socketchannel.Description
---@field host string          name or address, or `"host:port"` without `port`
---@field port integer|nil
---@field backup (string|{host: string, port: integer})[]|nil
---@field response (fun(so: table): any, boolean, any, boolean|nil)|nil  session mode: session, ok, data, more
---@field auth fun(channel: skynet.socketchannel.Channel)|nil  first on each connection
---@field nodelay boolean|nil
---@field overload fun(is_overload: boolean)|nil
---@field socket_read function|nil      in place of `so:read`
---@field socket_readline function|nil  in place of `so:readline`
---@field gather boolean|nil  order mode: the requests of several coroutines go out together; for protocols in which nothing
---  comes before it was asked for
---@field connect_timeout_ms integer|nil  for one host, with its `auth`; nil: none
---@field tls welkin.tls.Client|nil  what is said on the connection is encrypted
---@field starts_tls boolean|nil  order mode: `auth` begins in the clear and calls `secure` before it says a secret

---A channel; it connects when it is used.
---@param desc skynet.socketchannel.Description
---@return skynet.socketchannel.Channel
function socketchannel.channel(desc)
	local so_meta = plain_so
	if desc.socket_read or desc.socket_readline then
		local read, readline = desc.socket_read or plain_read, desc.socket_readline or plain_readline
		so_meta = { __index = { read = read, readline = readline, unread = plain_unread } }
	end
	return setmetatable({
		host = assert(desc.host),
		port = desc.port,
		backup = desc.backup,
		auth = desc.auth,
		response_of_session = desc.response,
		nodelay = desc.nodelay,
		overload = desc.overload,
		so_meta = so_meta,
		connect_timeout_ms = desc.connect_timeout_ms,
		gather = desc.gather,
		tls = desc.tls,
		starts_tls = desc.starts_tls,
		followers = {},
		epoch = 0,
		try = 0,
	}, channel)
end

return socketchannel
