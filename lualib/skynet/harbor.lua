-- Global names and links to other nodes, asked of the node's `.cslave`.

local skynet = require "skynet"

local harbor = {}

---Registers a global name. Does not wait; the name is not checked.
---@param name string
---@param address integer|nil  default: this service
function harbor.globalname(name, address)
	skynet.send(".cslave", "lua", "REGISTER", name, address or skynet.self())
end

---Waits until the global name is known. A local name (`".name"`) is answered at once, nil when unknown.
---@param name string
---@return integer|nil address
function harbor.queryname(name)
	return skynet.call(".cslave", "lua", "QUERYNAME", name)
end

---Returns when harbor `id` goes down; at once when it is not connected.
---@param id integer
function harbor.link(id)
	skynet.call(".cslave", "lua", "LINK", id)
end

---Returns when harbor `id` is connected.
---@param id integer
function harbor.connect(id)
	skynet.call(".cslave", "lua", "CONNECT", id)
end

---Returns when the connection to the master is lost.
function harbor.linkmaster()
	skynet.call(".cslave", "lua", "LINKMASTER")
end

return harbor
