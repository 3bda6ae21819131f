-- A game room: the same short message to every client, ten times a second. By the config's `way` the room writes
-- to the clients itself, or tells the service that each of them has.

local skynet = require "skynet"
local socket = require "skynet.socket"
local measure = require "measure"

local BACKLOG = 4096
local TICK = 10 -- hundredths of a second
local text = ("x"):rep(math.tointeger(tonumber(skynet.getenv "bytes")))
local agents = skynet.getenv "way" == "agents"
local clients = {}

local function tell(client)
	if agents then
		skynet.send(client, "lua", text)
	else
		socket.write(client, text)
	end
end

local function tick()
	skynet.timeout(TICK, tick)
	for _, client in ipairs(clients) do
		tell(client)
	end
end

local function enter(fd)
	if agents then
		return skynet.newservice("broadcast_agent", fd)
	end
	socket.start(fd)
	return fd
end

measure.run(function()
	local id = socket.listen("127.0.0.1", skynet.getenv "port", BACKLOG)
	local expected = tonumber(skynet.getenv "clients")
	socket.start(id, function(fd)
		local client = enter(fd) -- lets others in
		clients[#clients + 1] = client
		if #clients == expected then
			tick()
		end
	end)
	measure.ready()
end)
