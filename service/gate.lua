-- A gate whose connections are handled by other services: the watchdog hears of each, and decides who gets what
-- comes from it.
--
-- It keeps nothing of a connection but who its agent is, if it has one. A socket whose peer has left stays until
-- the watchdog says `kick`.

local skynet = require "skynet"
local gateserver = require "snax.gateserver"
local netpack = require "skynet.netpack"

local tostring_and_free, redirect = netpack.tostring, skynet.redirect

---@type integer
local watchdog
-- Connections that are there; packages go to the agent, or with false to the watchdog.
---@type table<integer, integer|false>
local agents = {}
-- Whom the messages to an agent seem to come from, where that is not the gate itself.
---@type table<integer, integer>
local clients = {}

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
}

local function tell(...)
	skynet.send(watchdog, "lua", "socket", ...)
end

local function forget(fd)
	agents[fd] = nil
	clients[fd] = nil
end

local handler = {}

function handler.open(source, conf)
	watchdog = conf.watchdog or source
	return conf.address, conf.port
end

function handler.connect(fd, addr)
	agents[fd] = false
	tell("open", fd, addr)
end

function handler.message(fd, msg, sz)
	local agent = agents[fd]
	if agent then
		redirect(agent, clients[fd] or 0, "client", fd, msg, sz)
	else
		tell("data", fd, tostring_and_free(msg, sz))
	end
end

function handler.disconnect(fd)
	forget(fd)
	tell("close", fd)
end

function handler.error(fd, text)
	forget(fd)
	tell("error", fd, text)
end

function handler.warning(fd, kib)
	tell("warning", fd, kib)
end

local CMD = {}

local function known(fd)
	if agents[fd] == nil then
		error(string.format("no connection %s", fd))
	end
end

---Begins to read; packages go to the watchdog.
---@param fd integer
function CMD.accept(_, fd)
	known(fd)
	agents[fd], clients[fd] = false, nil
	gateserver.openclient(fd)
end

---Begins to read; packages go to the agent.
---@param source integer
---@param fd integer
---@param client integer|nil  source of the messages to the agent, default 0
---@param agent integer|nil   default: the caller
function CMD.forward(source, fd, client, agent)
	known(fd)
	agents[fd] = agent or source
	clients[fd] = client ~= 0 and client or nil
	gateserver.openclient(fd)
end

---Closes the connection; needed also after the peer has left.
---@param fd integer
function CMD.kick(_, fd)
	gateserver.closeclient(fd)
end

function handler.command(cmd, source, ...)
	local f = assert(CMD[cmd], "unknown command")
	return f(source, ...)
end

gateserver.start(handler)
