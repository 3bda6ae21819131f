-- The console's side of the remote debugger: while it lasts, `session.agent` gets the lines of the connection.

local skynet = require "skynet"
local socket = require "skynet.socket"

-- The debugger is left, or the service has ended.
local function over(session, ok, why)
	session.agent = nil
	if ok then
		socket.write(session.fd, "<CMD OK>\n")
	else
		socket.write(session.fd, tostring(why) .. "\n<CMD Error>\n")
	end
	if session.ended then
		skynet.wakeup(session.ended)
	end
end

---Attaches the debugger; raises when that fails.
---@param address integer|string  or `":hex"`
---@param session welkin.console.Session
return function(address, session)
	if type(address) == "string" then
		address = assert(tonumber(address:match "^:(%x+)$" or "", 16), "Need an address")
	end
	local agent = skynet.newservice "debug_agent"
	local attached, failure = false, nil
	session.agent = agent
	skynet.fork(function()
		local called, ok, why = pcall(skynet.call, agent, "lua", "start", address, session.fd)
		if not called then
			ok, why = false, ok
		end
		if attached then
			over(session, ok, why)
		else
			session.agent, failure = nil, why
		end
	end)
	-- After the fork has sent its request.
	skynet.yield()
	attached = pcall(skynet.call, agent, "lua", "attached")
	if not attached then
		session.agent = nil
		error(failure or "Debugger attach failed", 0)
	end
end
