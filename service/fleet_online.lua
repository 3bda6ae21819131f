-- Asks the program for its players, in the words of the fleet file: `online = "<service>.<command>"`.
--
-- Launched by the node when the fleet's agent asks for the first time. The answer is a number, with what it is the
-- sum of when the program gave a table; or a text, what is wrong. That is also logged, once a minute, as the agent
-- asks every few seconds and nobody would see it otherwise.

local skynet = require "skynet"
require "skynet.manager"
local welkin = require "welkin"

local ANSWER_MS = 1000
-- In hundredths of a second.
local COMPLAINT_PAUSE = 6000

local complained_at

local function complain(text)
	local now = skynet.now()
	if complained_at == nil or now - complained_at >= COMPLAINT_PAUSE then
		complained_at = now
		skynet.error("error: " .. text)
	end
end

-- A local name, with its dot or without, or a unique service that runs.
local function find(name)
	local address = skynet.localname(name:match "^%." and name or "." .. name)
	if address then
		return address
	end
	local ok, unique = pcall(welkin.call_within, ANSWER_MS, ".service", "lua", "LIST")
	for key, text in pairs(ok and unique or {}) do
		local digits = key == name and text:match "^:(%x+)$"
		if digits then
			return tonumber(digits, 16)
		end
	end
end

local function whole(number)
	number = math.tointeger(number)
	return number and number >= 0 and number or nil
end

-- The sum, and its parts one after the other.
local function count(hook)
	local name, command = hook:match "^(.+)%.([^.]+)$"
	if not name then
		error(string.format("online = \"%s\" is not of the form \"service.command\"", hook), 0)
	end
	local address = find(name)
	if not address then
		error(string.format("online = \"%s\": there is no service %s", hook, name), 0)
	end
	local result = welkin.call_within(ANSWER_MS, address, "lua", command)
	local sum, parts = whole(result), {}
	if type(result) == "table" then
		sum = 0
		for part, number in pairs(result) do
			number = whole(number)
			if type(part) ~= "string" or not number then
				sum = nil
				break
			end
			sum = sum + number
			parts[#parts + 1] = part
			parts[#parts + 1] = number
		end
	end
	if not sum then
		error(string.format("online = \"%s\" gave %s, not a number of players or a table of them", hook, result), 0)
	end
	return sum, parts
end

-- Before the start: the first question is sent at once.
skynet.dispatch("lua", function(_, _, hook)
	local ok, sum, parts = pcall(count, hook)
	if not ok then
		complain(tostring(sum))
		skynet.retpack(tostring(sum))
	else
		skynet.retpack(sum, table.unpack(parts))
	end
end)

skynet.start(function() end)
