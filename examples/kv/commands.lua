-- What clients may ask, whichever way they come: a text in, a text out.
--
--   set KEY VALUE   OK            (the value goes to the end of the text)
--   get KEY         = VALUE       or NONE

local skynet = require "skynet"

---@type integer
local store

local CMD = {}

function CMD.set(rest)
	local key, value = rest:match "^(%S+) (.*)$"
	if key == nil then
		return "ERROR usage: set KEY VALUE"
	end
	skynet.call(store, "lua", "set", key, value)
	return "OK"
end

function CMD.get(rest)
	local key = rest:match "^(%S+)$"
	if key == nil then
		return "ERROR usage: get KEY"
	end
	local value = skynet.call(store, "lua", "get", key)
	return value and "= " .. value or "NONE"
end

-- Runs before the service's own start function; there it may call others.
skynet.init(function()
	store = skynet.queryservice "store"
end)

---@param text string
---@return string
return function(text)
	local word, rest = text:match "^(%S*) ?(.*)$"
	local f = CMD[word]
	if f then
		return f(rest)
	end
	return "ERROR commands are: set KEY VALUE, get KEY, quit"
end
