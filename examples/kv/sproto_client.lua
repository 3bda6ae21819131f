-- A client of the sproto port, as package_client.lua is one of the package port.
--
--   welkin lua examples/kv/sproto_client.lua HOST:PORT COMMANDS...
--
-- COMMANDS are words such as `set color blue get color`. All are asked at once; each answer is printed as it comes.

package.path = arg[0]:match "^(.-)[^/]*$" .. "?.lua;" .. package.path

local socket = require "client.socket"
local sproto = require "sproto"
local protocol = require "protocol"

local PAUSE_US = 2000

local address, port = (arg[1] or ""):match "^([%d.]+):(%d+)$"
if address == nil then
	print "usage: sproto_client.lua HOST:PORT COMMANDS..."
	os.exit(2)
end
local fd = socket.connect(address, math.tointeger(port))

local host = sproto.parse(protocol.of_server):host "package"
local ask = host:attach(sproto.parse(protocol.of_clients))

local function send(package)
	socket.send(fd, string.pack(">s2", package))
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
		local package, rest = string.unpack(">s2", received)
		received = received:sub(rest)
		return package
	end
end

-- What was asked, by session.
local asked, sessions = {}, 0

local function say(name, args)
	sessions = sessions + 1
	asked[sessions] = name
	send(ask(name, args, sessions))
end

local at = 2
while arg[at] do
	if arg[at] == "set" then
		say("set", { key = arg[at + 1], value = arg[at + 2] })
		at = at + 3
	else
		say("get", { key = arg[at + 1] })
		at = at + 2
	end
end

while next(asked) do
	local package = receive()
	if package == nil then
		socket.usleep(PAUSE_US)
	else
		-- The last value is a function that makes the answer, for requests that want one.
		local kind, session, result, answer = host:dispatch(package)
		if kind == "REQUEST" then
			send(answer())
		elseif asked[session] == "set" then
			print(result.ok and "OK" or "not stored")
			asked[session] = nil
		else
			print(result.value and "= " .. result.value or "NONE")
			asked[session] = nil
		end
	end
end
send(ask "quit")
socket.close(fd)
