-- The half of `skynet.socket` for UDP: an id needs no `start`, and each datagram runs the callback in a coroutine of
-- its own. It shares the table of sockets with the other half, which gets the engine's events.

local driver = require "skynet.socketdriver"

---@param socket table  the module, to which the functions are added
---@param records table<integer, skynet.socket.Record>
return function(socket, records)
	local function add_udp(id, callback)
		records[id] = { id = id, size = 0, connected = true, udp = true, callback = callback }
		return id
	end

	---@param callback fun(data: string, from: string)
	---@param host string|nil
	---@param port integer|nil  neither host nor port: unbound
	---@return integer id
	function socket.udp(callback, host, port)
		local id = driver.udp(host, port)
		return add_udp(id, callback)
	end

	---Sets the peer that `write` sends to.
	---@param id integer
	---@param addr string
	---@param port integer|nil
	---@param callback function|nil  replaces the one there is
	function socket.udp_connect(id, addr, port, callback)
		local s = records[id]
		assert(s == nil or s.udp)
		driver.udp_connect(id, addr, port)
		if s == nil then
			add_udp(id, callback)
		elseif callback then
			s.callback = callback
		end
	end

	---@param addr string
	---@param port integer|nil
	---@param callback fun(data: string, from: string)
	---@return integer id  bound to the address
	function socket.udp_listen(addr, port, callback)
		local id = driver.udp_listen(addr, port)
		return add_udp(id, callback)
	end

	---@param addr string
	---@param port integer|nil
	---@param callback fun(data: string, from: string)
	---@return integer id  its peer is the address
	function socket.udp_dial(addr, port, callback)
		local id = driver.udp_dial(addr, port)
		return add_udp(id, callback)
	end

	---@type fun(id: integer, from: string, data: string|table|lightuserdata, size: integer|nil): boolean
	socket.sendto = driver.udp_send
	---@type fun(from: string): string, integer  address and port in a datagram's `from`
	socket.udp_address = driver.udp_address
end
