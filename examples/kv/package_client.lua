-- A client of the package port. It is no service: a plain Lua program with `client.socket`, as a game's client or a
-- test robot may be.
--
--   welkin lua examples/kv/package_client.lua HOST:PORT [COMMANDS...]
--
-- COMMANDS are words such as `set color blue get color`; without any, lines are read from standard input.

local socket = require "client.socket"

local PAUSE_US = 2000

local host, port = (arg[1] or ""):match "^([%d.]+):(%d+)$"
if host == nil then
	print "usage: package_client.lua HOST:PORT [COMMANDS...]"
	os.exit(2)
end
local fd = socket.connect(host, math.tointeger(port))

local WORDS = { set = 3, get = 2, quit = 1 }
local next_word = 2

-- The next command, or nil: nothing yet when they are typed, else nothing more.
local function next_command()
	if arg[2] == nil then
		return socket.readstdin()
	end
	local word = arg[next_word]
	if word then
		local n = WORDS[word] or 1
		local line = table.concat(arg, " ", next_word, math.min(next_word + n - 1, #arg))
		next_word = next_word + n
		return line
	end
end

local function send(text)
	socket.send(fd, string.pack(">s2", text))
end

local received = ""

-- The next package, or nil: it is not there yet. Never waits.
local function receive()
	local data = socket.recv(fd)
	if data == "" then
		print "the server has closed the connection"
		os.exit(1)
	end
	received = received .. (data or "")
	if #received >= 2 and #received >= 2 + string.unpack(">I2", received) then
		local text, rest = string.unpack(">s2", received)
		received = received:sub(rest)
		return text
	end
end

local asked, finished = false, false
repeat
	local text = receive()
	if text == "" then
		send "" -- the heartbeat
	elseif text then
		print(text)
		asked, finished = false, text == "BYE"
	else
		local command = not asked and next_command()
		if command then
			send(command)
			asked = true
		elseif not asked and arg[2] then
			finished = true
		else
			socket.usleep(PAUSE_US)
		end
	end
until finished
socket.close(fd)
