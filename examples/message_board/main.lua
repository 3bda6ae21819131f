-- Listens, and gives each client a coroutine. What clients say goes to the one `board`, which has the database.
--
-- A line is `set TEXT` or `get`. Texts may be any bytes: in a line, a backslash, a line end and a carriage return are
-- written `\\`, `\n` and `\r`, both ways, so that a text with line ends is still one line (see `lines.lua`).

local skynet = require "skynet"
local socket = require "skynet.socket"
local lines = require "lines"

local HOST = "127.0.0.1"
-- Of a line, in bytes; a client that sends more is cut off.
local LINE_BYTES_MAX = 64 * 1024

local board

local commands = {}

function commands.set(text)
	local id, err = skynet.call(board, "lua", "add", lines.unescape(text))
	return id and "OK " .. id or "ERROR " .. err
end

function commands.get()
	local messages, err = skynet.call(board, "lua", "list")
	if not messages then
		return "ERROR " .. err
	end
	local answer = {}
	for i, message in ipairs(messages) do
		answer[i] = string.format("%d %s", message.id, lines.escape(message.text))
	end
	answer[#answer + 1] = "END"
	return table.concat(answer, "\n")
end

local function answer(line)
	local name, text = line:match "^(%S+) ?(.*)$"
	local command = commands[name]
	return command and command(text) or "ERROR commands are: set TEXT, get"
end

local function serve(id)
	socket.start(id)
	socket.limit(id, LINE_BYTES_MAX)
	while true do
		local line = socket.readline(id, "\n")
		if not line then
			break
		end
		local ok, text = pcall(answer, (line:gsub("\r$", "")))
		socket.write(id, (ok and text or "ERROR the board is out of order") .. "\n")
		if not ok then
			skynet.error(text)
		end
	end
	socket.close(id)
end

skynet.start(function()
	board = skynet.newservice "board"
	local listener, address, port = socket.listen(HOST, tonumber(skynet.getenv "port"))
	socket.start(listener, serve)
	skynet.error(string.format("message_board: listening on %s:%d", address, port))
end)
