-- A server of MySQL's protocol inside the node, for programs that test clients: it lets everybody in, and what it answers
-- to a command is its handler's.
--
-- `handler(command, text, id)` gives the bytes to send, false to close, nil for silence.

local socket = require "skynet.socket"

local fake = {}

---@param sequence integer
---@param body string
---@return string
function fake.packet(sequence, body)
	return string.pack("<I3B", #body, sequence) .. body
end

local packet = fake.packet

fake.GREETING = "\10" .. "8.0.0-fake\0" .. "\1\0\0\0" .. "12345678" .. "\0" .. "\xff\xf7" .. "\45" .. "\2\0" .. "\xff\x81"
	.. "\21" .. ("\0"):rep(10) .. "abcdefghijkl\0" .. "mysql_native_password\0"
---The same with another way to log in.
---@param plugin string
---@return string
function fake.greeting_of(plugin)
	return (fake.GREETING:gsub("mysql_native_password", plugin))
end

fake.OK = "\0\0\0\2\0\0\0"

local function text(s)
	return string.char(#s) .. s
end

local function column(name, kind)
	return text "def" .. text "d" .. text "t" .. text "t" .. text(name) .. text(name) .. "\12\x3f\0\x0a\0\0\0" .. string.char(kind) .. "\0\0\0\0\0"
end

---One row with one column `v` of text.
---@param value string
---@return string
function fake.rows(value)
	return packet(1, "\1") .. packet(2, column("v", 253)) .. packet(3, "\xfe\0\0\2\0")
		.. packet(4, text(value)) .. packet(5, "\xfe\0\0\2\0")
end

---A statement without parameters and columns.
---@param id integer
---@return string
function fake.prepared(id)
	return packet(1, "\0" .. string.pack("<I4I2I2BI2", id, 0, 0, 0, 0))
end

local function read_packet(id)
	local head = socket.read(id, 4)
	return head and socket.read(id, (string.unpack("<I3", head)))
end

local function serve(server, id, handler)
	socket.start(id)
	table.insert(server.ids, id)
	socket.write(id, packet(0, server.greeting or fake.GREETING))
	local login = read_packet(id)
	if not login or server.converse and not server.converse(login, id, read_packet) then
		return
	end
	socket.write(id, server.welcome or packet(2, fake.OK))
	while true do
		local body = read_packet(id)
		if not body then
			return
		end
		table.insert(server.seen, body)
		local answer = handler(body:byte(), body:sub(2), id)
		if answer == false then
			return
		elseif answer then
			socket.write(id, answer)
		end
	end
end

---@param handler fun(command: integer, text: string, id: integer): string|false|nil
---@return table server  `port`, `seen` packets, `ids` of the connections; `greeting` and `welcome` can be set, and
---  `converse(login, id, read_packet)`, what is said before the welcome: true lets the client in
function fake.start(handler)
	local server = { seen = {}, ids = {} }
	server.listener, server.address, server.port = socket.listen("127.0.0.1", 0)
	socket.start(server.listener, function(id)
		serve(server, id, handler)
		socket.close(id)
	end)
	return server
end

return fake
