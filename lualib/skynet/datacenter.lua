-- A tree of keys shared by all nodes of a harbor network; it lives in the service `DATACENTER`.

local skynet = require "skynet"

local datacenter = {}

---@param ... any  path of keys; those behind a nil are ignored
---@return any value  a table comes as a copy; nil when missing
function datacenter.get(...)
	return skynet.call("DATACENTER", "lua", "QUERY", ...)
end

---@param ... any  path of keys, then the value; nil removes
---@return any old  value, nil when there was none
function datacenter.set(...)
	return skynet.call("DATACENTER", "lua", "UPDATE", ...)
end

---Waits until the path has a value. There is no time limit.
---@param ... any  path of keys
---@return any value
function datacenter.wait(...)
	return skynet.call("DATACENTER", "lua", "WAIT", ...)
end

return datacenter
