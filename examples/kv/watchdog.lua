-- Decides who serves whom at a port with packages: it is started with the name of the service for each client.
--
-- The service `gate`, which comes with Welkin, holds the connections and cuts what comes into packages. It tells
-- its watchdog, this service, of each connection; the watchdog starts an agent for it, and from then on the
-- packages go from the gate straight to the agent. The end of a connection comes here again.

local skynet = require "skynet"

local agent_name = ...

---@type integer
local gate
---@type table<integer, integer>  agents by connection
local agents = {}

-- The gate keeps a socket until it is told to kick it, also when its client has left.
local function ended(fd)
	skynet.call(gate, "lua", "kick", fd)
	local agent = agents[fd]
	if agent then
		agents[fd] = nil
		skynet.send(agent, "lua", "stop")
	end
end

-- What the gate tells.
local SOCKET = {}

function SOCKET.open(fd, from)
	skynet.error("client", from, "at the gate")
	agents[fd] = skynet.newservice(agent_name)
	-- Fails when the client has left again meanwhile.
	if not pcall(skynet.call, agents[fd], "lua", "start", gate, fd) then
		ended(fd)
	end
end

SOCKET.close = ended
SOCKET.error = ended

-- A client that does not read what it is sent.
function SOCKET.warning(fd, kib)
	if kib > 0 then
		ended(fd)
	end
end

local CMD = {}

---@param conf table  address, port and what else the gate knows
---@return string address, integer port
function CMD.start(conf)
	return skynet.call(gate, "lua", "open", conf)
end

---An agent has had enough of its client.
---@param fd integer
function CMD.finish(fd)
	ended(fd)
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, command, ...)
		if command == "socket" then
			local event = ...
			SOCKET[event](select(2, ...))
		elseif session == 0 then
			CMD[command](...)
		else
			skynet.ret(skynet.pack(CMD[command](...)))
		end
	end)
	gate = skynet.newservice "gate"
end)
