-- A client of a debug console of the node itself.

local skynet = require "skynet"
local socket = require "skynet.socket"

local M = {}

local Client = {}
Client.__index = Client

---Starts a console on a free port; its port, and its address.
---@return integer port, integer address
function M.launch()
	local address = skynet.newservice("debug_console", 0)
	for _, row in ipairs(socket.netstat()) do
		if row.address == address and row.type == "LISTEN" then
			return math.tointeger(row.sock:match ":(%d+)$"), address
		end
	end
	error "the console does not listen"
end

---@param port integer
function M.connect(port)
	local client = setmetatable({ id = assert(socket.open("127.0.0.1", port)) }, Client)
	client.greeting = socket.readline(client.id)
	return client
end

function Client:send(text)
	socket.write(self.id, text)
end

---The lines of one answer, joined, and how it ended; nil: the connection was closed.
function Client:answer()
	local lines = {}
	while true do
		local line = socket.readline(self.id)
		if not line or line == "<CMD OK>" or line == "<CMD Error>" then
			return table.concat(lines, "\n"), line and line:match "%u%a+>$" or nil
		end
		lines[#lines + 1] = line
	end
end

function Client:ask(line)
	self:send(line .. "\n")
	return self:answer()
end

---What comes up to (and without) `tail`.
function Client:upto(tail)
	local got = ""
	while got:sub(-#tail) ~= tail do
		local byte = socket.read(self.id, 1)
		if not byte then
			return nil
		end
		got = got .. byte
	end
	return got:sub(1, -#tail - 1)
end

function Client:close()
	socket.close(self.id)
end

return M
