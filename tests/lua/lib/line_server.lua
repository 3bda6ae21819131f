-- A server of text lines inside the node, for programs that test clients.
--
-- `handler(line, id)`: a text is answered with a line end, false closes the connection, nil is silence.

local socket = require "skynet.socket"

local line_server = {}

---@param handler fun(line: string, id: integer): string|false|nil
---@return table server  `port`, `ids` of the connections so far, `seen` lines
function line_server.start(handler)
	local server = { ids = {}, seen = {} }
	local listener
	listener, server.address, server.port = socket.listen("127.0.0.1", 0)
	server.listener = listener
	socket.start(listener, function(id)
		socket.start(id)
		table.insert(server.ids, id)
		local line = socket.readline(id)
		while line do
			table.insert(server.seen, line)
			local answer = handler(line, id)
			if answer == false then
				break
			elseif answer then
				socket.write(id, answer .. "\n")
			end
			line = socket.readline(id)
		end
		socket.close(id)
	end)
	return server
end

---A port at which nobody listens.
---@return integer
function line_server.nobody()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	return port
end

return line_server
