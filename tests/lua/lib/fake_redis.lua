-- A server that reads commands of Redis inside the node, for programs that test clients.
--
-- `handler(command, id, write)` gets the parts as an array. A text is sent as it is, false closes the connection, nil is
-- silence.

local socket = require "skynet.socket"

local fake = {}

local function read_command(id)
	local head = socket.readline(id, "\r\n")
	local command = {}
	for i = 1, head and tonumber(head:sub(2)) or 0 do
		local length = socket.readline(id, "\r\n")
		local text = length and socket.read(id, tonumber(length:sub(2)) + 2)
		if not text then
			return nil
		end
		command[i] = text:sub(1, -3)
	end
	return head and command
end

---@param handler fun(command: string[], id: integer): string|false|nil
---@return table server  `port`, `seen` commands as texts, `ids` of the connections
function fake.start(handler)
	local server = { seen = {}, ids = {} }
	local listener
	listener, server.address, server.port = socket.listen("127.0.0.1", 0)
	server.listener = listener
	socket.start(listener, function(id)
		socket.start(id)
		table.insert(server.ids, id)
		while true do
			local command = read_command(id)
			if not command then
				break
			end
			table.insert(server.seen, table.concat(command, " "))
			local answer = handler(command, id)
			if answer == false then
				break
			elseif answer then
				socket.write(id, answer)
			end
		end
		socket.close(id)
	end)
	return server
end

---A text as an answer.
---@param text string
---@return string
function fake.bulk(text)
	return string.format("$%d\r\n%s\r\n", #text, text)
end

return fake
