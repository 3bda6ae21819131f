-- Serves one client of the sproto port: packages of 2 bytes of length, big endian, and a message of sproto. What can be
-- said stands in protocol.lua.
--
-- Here the server asks too: for a sign of life. Answers find their question by its session, so both sides may ask
-- several things at once. A client that sends what is no message is shown the door.

local skynet = require "skynet"
local socket = require "skynet.socket"
local sprotoloader = require "sprotoloader"
local new_queue = require "skynet.queue"
local protocol = require "protocol"

local BEAT = tonumber(skynet.getenv "heartbeat") or 100 -- in 1/100 s
local SILENT_BEATS_MAX = 3

local host = sprotoloader.load(protocol.SLOT_OF_CLIENTS):host "package"
local ask_client = host:attach(sprotoloader.load(protocol.SLOT_OF_SERVER))

local fd, watchdog
---@type integer
local store
local unanswered = 0
-- Requests are answered one after the other, in the order they came.
local in_turn = new_queue()

local function send(package)
	socket.write(fd, string.pack(">s2", package))
end

local function finish()
	skynet.send(watchdog, "lua", "finish", fd)
end

local REQUEST = {}

function REQUEST.set(args)
	skynet.call(store, "lua", "set", args.key, args.value)
	return { ok = true }
end

function REQUEST.get(args)
	return { value = skynet.call(store, "lua", "get", args.key) }
end

function REQUEST.quit()
	finish()
end

local function serve(text)
	local kind, name, args, answer = host:dispatch(text)
	if kind == "RESPONSE" then
		unanswered = 0
		return
	end
	local result = REQUEST[name](args)
	if answer then
		send(answer(result))
	end
end

-- The gate passes packages on as messages of type "client". The session is the connection.
skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = skynet.tostring,
	dispatch = function(_, _, text)
		skynet.ignoreret() -- the answer goes to the client, not back to the gate
		local ok, err = pcall(in_turn, serve, text)
		if not ok then
			skynet.error("connection", fd, "sends what is no message:", err)
			finish()
		end
	end,
}

local function beat()
	local session = 0
	while unanswered < SILENT_BEATS_MAX do
		session, unanswered = session + 1, unanswered + 1
		send(ask_client("heartbeat", nil, session))
		skynet.sleep(BEAT)
	end
	skynet.error("no sign of life from connection", fd)
	finish()
end

local CMD = {}

function CMD.start(gate, id)
	fd = id
	store = skynet.queryservice "store"
	skynet.call(gate, "lua", "forward", fd)
	skynet.fork(beat)
end

function CMD.stop()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(session, source, command, ...)
		if command == "start" then
			watchdog = source
		end
		CMD[command](...)
		if session ~= 0 then
			skynet.ret()
		end
	end)
end)
