-- The master of a harbor network: which nodes there are, and who has which global name.
--
-- Each node's `.cslave` keeps one connection here (welkin.harbor.control) and says its id and address first (`H`). The nodes that are there
-- already are told (`C`) and connect to the new one, which is told how many will (`W`). Names are registered (`R`)
-- and asked for (`Q`) here and told to all (`N`), and so is the loss of a node (`D`).
--
-- What comes from a connection that breaks the rules ends that connection and nothing else. An id stays taken when its node has left,
-- unless `welkin_harbor_rejoin` is set.
--
-- Limits: those of welkin.harbor.control, and UNREAD_KIB_MAX that a node leaves unread.

local skynet = require "skynet"
local socket = require "skynet.socket"
local control = require "welkin.harbor.control"

local UNREAD_KIB_MAX = 8192 -- 30,000 packages

---@class cmaster.Slave
---@field fd integer|nil   nil: it has left
---@field address string

---@type table<integer, cmaster.Slave> by harbor id
local slaves = {}
---@type table<string, integer>
local names = {}
local name_count = 0

local package = control.package
local rejoin = skynet.getenv "welkin_harbor_rejoin" == "true"

local function tell_all(text, except)
	for id, slave in pairs(slaves) do
		if slave.fd and id ~= except then
			socket.write(slave.fd, text)
		end
	end
end

-- The first package of a connection. Raises when it must not join.
local function greet(fd)
	local word, id, address = control.read(fd)
	assert(word == "H", "Invalid handshake type " .. tostring(word))
	assert(control.is_id(id), "Invalid slave id " .. tostring(id))
	assert(type(address) == "string", "Invalid slave address " .. tostring(address))
	local known = slaves[id]
	if known and not (rejoin and known.fd == nil) then
		error(string.format("Slave %d already register on %s", id, known.address))
	end
	local news = package("C", id, address)
	local count = 0
	for _, slave in pairs(slaves) do
		if slave.fd then
			socket.write(slave.fd, news)
			count = count + 1
		end
	end
	socket.write(fd, package("W", count))
	slaves[id] = { fd = fd, address = address }
	skynet.error(string.format("Harbor %d (fd=%d) report %s", id, fd, address))
	return id
end

local function register(name, address)
	assert(type(name) == "string", "Invalid name")
	assert(math.type(address) == "integer", "Invalid handle")
	local news = package("N", name, address)
	if names[name] == nil then
		if name_count >= control.NAMES_MAX then
			skynet.error(string.format("error: the name %s is not kept: there are %d names", name, name_count))
			return
		end
		names[name] = address
		name_count = name_count + 1
	end
	-- The address of this registration, whoever has the name here: so it is in skynet.
	tell_all(news)
end

local function query(fd, name)
	local address = name ~= nil and names[name]
	if address then
		socket.write(fd, package("N", name, address))
	end
end

local function serve(fd)
	while true do
		local word, name, address = control.read(fd)
		if word == "R" then
			register(name, address)
		elseif word == "Q" then
			query(fd, name)
		else
			skynet.error("Invalid slave message type " .. tostring(word))
		end
	end
end

-- Nodes that read too slowly would fill the memory of this one.
local function on_unread(fd, kib)
	if kib > UNREAD_KIB_MAX then
		skynet.error(string.format("error: %d KiB wait to be read by the node of fd = %d: it is cut off", kib, fd))
		socket.shutdown(fd)
	end
end

local function accept(fd, from)
	skynet.error(string.format("connect from %s %d", from, fd))
	if not socket.start(fd) then
		return
	end
	local id
	control.limit_silence(fd, function()
		return id ~= nil
	end)
	local ok, result = pcall(greet, fd)
	id = ok and result
	if not id then
		skynet.error(string.format("disconnect fd = %d, error = %s", fd, tostring(result)))
		socket.close(fd)
		return
	end
	socket.warning(fd, on_unread)
	local _, why = pcall(serve, fd)
	if not control.is_end(why) then
		skynet.error(string.format("error: harbor %d (fd = %d) is cut off: %s", id, fd, tostring(why)))
	end
	skynet.error(string.format("slave %d is down", id))
	slaves[id].fd = nil
	socket.close(fd)
	tell_all(package("D", id), id)
end

skynet.start(function()
	local address = skynet.getenv "standalone"
	skynet.error("master listen socket " .. tostring(address))
	local fd = socket.listen(address)
	socket.start(fd, accept)
end)
