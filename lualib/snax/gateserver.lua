-- A TCP front: listens, cuts what comes into packages of a 2 byte length and calls the program's handler.
--
-- All that is kept of a connection is one entry of a table; packages that are not whole yet lie in the native
-- queue. A handler that blocks holds back nobody: what is ready behind its package goes on in another coroutine.
--
-- Limit: `maxclient` connections, that one included which is refused.

local skynet = require "skynet"
local netpack = require "skynet.netpack"
local driver = require "skynet.socketdriver"

local MAXCLIENT = 1024

local gateserver = {}

---@class snax.gateserver.Conf
---@field address string|nil      default `"0.0.0.0"`
---@field port integer|nil        0: a free one; nil: it stands in `address`
---@field maxclient integer|nil   default 1024
---@field nodelay boolean|nil     TCP_NODELAY on every connection
---@field backlog integer|nil     connections that the system keeps until they are accepted

---@class snax.gateserver.Handler
---@field connect fun(fd: integer, addr: string)  nothing is read before `openclient`
---@field message fun(fd: integer, msg: lightuserdata, sz: integer)  owns the block from then on
---@field open nil|fun(source: integer, conf: snax.gateserver.Conf): ...  its results answer `open`
---@field disconnect nil|fun(fd: integer)
---@field error nil|fun(fd: integer, text: string)
---@field warning nil|fun(fd: integer, kib: integer)
---@field command nil|fun(cmd: string, source: integer, ...): ...
---@field embed boolean|nil       the program calls `skynet.start` itself

-- True: connected. False: the peer has gone, the socket is still to be closed.
---@type table<integer, boolean>
local connections = {}

---Begins to read.
---@param fd integer
function gateserver.openclient(fd)
	if connections[fd] then
		driver.start(fd)
	end
end

---Forgets and closes the connection, after what is queued has been sent. To be called after a disconnect too.
---@param fd integer
function gateserver.closeclient(fd)
	if connections[fd] ~= nil then
		connections[fd] = nil
		driver.close(fd)
	end
end

local pop, tostring_and_free = netpack.pop, netpack.tostring
local queue -- of netpack

---@type snax.gateserver.Handler
local handler
local on_message

-- The listener's part of the state: id, the one that is being closed, who waits for its address.
local listener, closing, opening
local clients, maxclient, nodelay = 0, MAXCLIENT, nil

-- Commands

local function listen(address, port, backlog)
	skynet.error(string.format("Listen on %s %s", address, port))
	listener = driver.listen(address, port, backlog)
	local bound = { co = coroutine.running() }
	opening = bound
	skynet.wait(bound.co)
	opening = nil
	driver.start(listener)
	return bound.address, bound.port
end

local CMD = {}

function CMD.open(source, conf)
	assert(not listener or closing == listener, "the gate is open")
	local port = conf.port
	assert(port or conf.address, "conf.port is needed, or an address with a port")
	maxclient = conf.maxclient or MAXCLIENT
	nodelay = conf.nodelay
	conf.address, conf.port = listen(conf.address or "0.0.0.0", port, conf.backlog)
	if handler.open then
		return handler.open(source, conf)
	end
end

function CMD.close()
	assert(listener, "the gate is not open")
	closing = listener
	driver.close(listener)
end

-- Events

local MSG = {}

function MSG.data(fd, msg, sz)
	if connections[fd] then
		on_message(fd, msg, sz)
	else
		skynet.error(string.format("Drop message from fd (%d) : %s", fd, tostring_and_free(msg, sz)))
	end
end

-- The fork finds nothing left, unless a package blocks or fails here.
function MSG.more()
	local fd, msg, sz = pop(queue)
	if fd then
		skynet.fork(MSG.more)
		repeat
			MSG.data(fd, msg, sz)
			fd, msg, sz = pop(queue)
		until not fd
	end
end

function MSG.open(fd, addr)
	clients = clients + 1
	if clients >= maxclient then
		driver.shutdown(fd)
		return
	end
	if nodelay then
		driver.nodelay(fd)
	end
	connections[fd] = true
	handler.connect(fd, addr)
end

function MSG.close(fd)
	if fd == closing or fd == listener then
		listener = fd ~= listener and listener or nil
		closing = nil
		return
	end
	clients = clients - 1
	if connections[fd] then
		connections[fd] = false
	end
	if handler.disconnect then
		handler.disconnect(fd)
	end
end

function MSG.error(fd, text)
	if fd == listener then
		skynet.error("gateserver accept error: " .. text)
		return
	end
	driver.shutdown(fd)
	if handler.error then
		handler.error(fd, text)
	end
end

function MSG.warning(fd, kib)
	if handler.warning then
		handler.warning(fd, kib)
	end
end

-- The first one of a listener has its address; what follows a `start` means nothing here.
function MSG.init(id, address, port)
	if opening and id == listener and not opening.port then
		opening.address, opening.port = address, port
		skynet.wakeup(opening.co)
	end
end

local function answer_commands()
	skynet.dispatch("lua", function(_, source, cmd, ...)
		local f = CMD[cmd]
		if f then
			skynet.ret(skynet.pack(f(source, ...)))
		else
			local command = assert(handler.command, "this gate has no own commands")
			skynet.ret(skynet.pack(command(cmd, source, ...)))
		end
	end)
end

---Makes the service a gate. To be called in its main file.
---@param own snax.gateserver.Handler
function gateserver.start(own)
	handler = own
	on_message = assert(own.message, "handler.message is needed")
	assert(own.connect, "handler.connect is needed")
	local filter = netpack.filter

	skynet.register_protocol {
		name = "socket",
		id = skynet.PTYPE_SOCKET,
		unpack = function(msg, sz)
			return filter(queue, msg, sz)
		end,
		dispatch = function(_, _, q, event, ...)
			queue = q
			if event then
				MSG[event](...)
			end
		end,
	}

	if own.embed then
		answer_commands()
	else
		skynet.start(answer_commands)
	end
end

return gateserver
