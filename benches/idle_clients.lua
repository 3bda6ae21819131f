-- A gate whose clients say nothing: the native one or the Lua one, by the config's `gate`. Reports when all
-- clients it was told to expect are there and are being read.

local skynet = require "skynet"
local measure = require "measure"
require "skynet.manager"

local port = tonumber(skynet.getenv "port")
local clients_max = tonumber(skynet.getenv "clients")
local there = 0

local function count()
	there = there + 1
	if there == clients_max then
		measure.report("clients", there, "")
	end
end

local function native()
	local gate
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = function(text)
			return text
		end,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			local fd, event = text:match "^(%d+) (%a+)"
			if event == "open" then
				skynet.send(gate, "text", "start " .. fd)
				count()
			end
		end,
	}
	local own = skynet.address(skynet.self())
	gate = skynet.launch("gate", "S", own, "127.0.0.1:" .. port, 0, clients_max + 1)
end

local function lua()
	local gate = skynet.newservice "gate"
	skynet.dispatch("lua", function(_, _, _, event, fd)
		if event == "open" then
			skynet.call(gate, "lua", "accept", fd)
			count()
		end
	end)
	local conf = { address = "127.0.0.1", port = port, maxclient = clients_max + 2, backlog = 1024 }
	skynet.call(gate, "lua", "open", conf)
end

measure.run(function()
	if skynet.getenv "gate" == "native" then
		native()
	else
		lua()
	end
	measure.ready()
end)
