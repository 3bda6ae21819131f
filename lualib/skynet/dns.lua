-- Host names to addresses without holding up the worker: the hosts file, a cache, and a name server asked by UDP.
--
-- A query is one datagram; its number is random and the reply must have the same number, name and type, so that
-- nobody who cannot see the query can answer it. Addresses are remembered as long as the server says. What is older
-- is kept for the time when the server has no answer; `flush` forgets it.
--
-- Limits: 65536 queries at a time, one for each number. The cache has none, as a program asks for few names.

local skynet = require "skynet"
local socket = require "skynet.socket"
local messages = require "welkin.dns"

local TYPE_A, TYPE_AAAA = 1, 28
local QUERIES_MAX = 65536
local NAME_BYTES_MAX = 1024
local LABEL_BYTES_MAX = 63
local HEADER_BYTES = 12

-- 1/100 s
local SECOND = 100
local ANSWER_MAX = 30 * SECOND
local IDLE_MAX = 60 * SECOND

local dns = {
	DEFAULT_HOSTS = "/etc/hosts",
	DEFAULT_RESOLV_CONF = "/etc/resolv.conf",
}

---@class skynet.dns.Query
---@field co thread         waits for the answer
---@field name string
---@field type integer
---@field found string[]|nil

---@class skynet.dns.Entry
---@field addresses string[]
---@field expires integer    1/100 s, node time

---@type table<integer, skynet.dns.Query>
local queries = {}
local queries_count = 0
---@type table<integer, table<string, skynet.dns.Entry>>  by type and name
local cache = { [TYPE_A] = {}, [TYPE_AAAA] = {} }
---@type table<integer, table<string, string[]>>|nil  by type and name, once read
local hosts
---@type {ip: string, port: integer}|nil
local server
---@type {id: integer, ip: string, port: integer, used: integer}|nil
local open

-- Files

local function lines(path)
	local file = path and io.open(path)
	if file == nil then
		return function() end
	end
	local next_line = file:lines()
	return function()
		local line = next_line()
		if line then
			return (line:gsub("[#;].*", ""))
		end
		file:close()
	end
end

local function family(address)
	return address:find(":", 1, true) and TYPE_AAAA or TYPE_A
end

local function read_hosts()
	hosts = { [TYPE_A] = {}, [TYPE_AAAA] = {} }
	for line in lines(dns.DEFAULT_HOSTS) do
		local address, names = line:match "^%s*(%S+)%s+(.*)$"
		if address then
			local known = hosts[family(address)]
			for name in names:lower():gmatch "%S+" do
				known[name] = known[name] or {}
				table.insert(known[name], address)
			end
		end
	end
end

local function configured_server()
	for line in lines(dns.DEFAULT_RESOLV_CONF) do
		local address = line:match "^%s*nameserver%s+(%S+)"
		if address then
			return { ip = address, port = 53 }
		end
	end
end

-- The name server

local function remember(kind, name, addresses, ttl_s)
	if #addresses > 0 then
		cache[kind][name] = { addresses = addresses, expires = skynet.now() + ttl_s * SECOND }
	end
end

local function on_datagram(text)
	if #text < HEADER_BYTES then
		skynet.error("DNS: a message of", #text, "bytes is ignored")
		return
	end
	local ok, id, kind, ttl_s, found = pcall(messages.reply, text)
	if not ok then
		skynet.error("DNS: a message is ignored:", id)
		return
	end
	local query = queries[id]
	if query == nil or query.found then
		return
	end
	local addresses, name = found:match "^([^\n]*)\n(.*)$"
	if name ~= query.name or kind ~= query.type then
		skynet.error(string.format("DNS: an answer about %q is ignored, asked was %s", name, query.name))
		return
	end
	local of_type = { [TYPE_A] = {}, [TYPE_AAAA] = {} }
	for address in addresses:gmatch "%S+" do
		table.insert(of_type[family(address)], address)
	end
	remember(TYPE_A, name, of_type[TYPE_A], ttl_s)
	remember(TYPE_AAAA, name, of_type[TYPE_AAAA], ttl_s)
	query.found = of_type[query.type]
	skynet.wakeup(query.co)
end

local function close_when_idle()
	local idle = skynet.now() - open.used
	if idle < IDLE_MAX or queries_count > 0 then
		skynet.timeout(math.max(IDLE_MAX - idle, SECOND), close_when_idle)
		return
	end
	skynet.error(string.format("Udp server close %s:%s (%d)", open.ip, open.port, open.id))
	local id = open.id
	open = nil
	socket.close(id)
end

local function send(message)
	if open == nil then
		local id = socket.udp_dial(server.ip, server.port, on_datagram)
		open = { id = id, ip = server.ip, port = server.port, used = 0 }
		skynet.error(string.format("Udp server open %s:%s (%d)", open.ip, open.port, id))
		skynet.timeout(IDLE_MAX, close_when_idle)
	end
	open.used = skynet.now()
	socket.write(open.id, message)
end

local function unused_number()
	local id = messages.random()
	while queries[id] do
		id = (id + 1) % QUERIES_MAX
	end
	return id
end

local query_meta = {
	-- However the waiting ends: the number is free again.
	__close = function(query)
		queries[query.id] = nil
		queries_count = queries_count - 1
	end,
}

-- Asks the server. Nothing: it does not know, or says nothing.
local function ask(name, kind)
	if queries_count == QUERIES_MAX then
		error "too many names are being resolved at once"
	end
	local id = unused_number()
	local message = messages.query(id, name, kind)
	local query <close> = setmetatable({ id = id, co = coroutine.running(), name = name, type = kind }, query_meta)
	queries[id] = query
	queries_count = queries_count + 1
	send(message)
	skynet.sleep(ANSWER_MAX)
	if query.found == nil then
		skynet.error("DNS query", name, "timeout")
	elseif #query.found > 0 then
		return query.found
	end
end

-- Resolving

-- The name as it is asked for, or nil.
local function checked(name)
	if #name > NAME_BYTES_MAX or name:find "[^_a-z0-9%-.]" then
		return
	end
	-- An absolute name ends with a dot; in the message it is the same as without.
	name = name:gsub("%.$", "")
	for label in (name .. "."):gmatch "([^.]*)%." do
		if #label == 0 or #label > LABEL_BYTES_MAX then
			return
		end
	end
	return messages.query(0, name, TYPE_A) and name
end

---The addresses of a host. Addresses are given back as they are.
---@param name string
---@param ipv6 boolean|nil  IPv6 addresses instead of IPv4
---@return string|nil first  nil: not a name
---@return string[]|string|nil all  or what is wrong
function dns.resolve(name, ipv6)
	name = name:lower()
	if name:find "^[%d.]+$" or name:find(":", 1, true) then
		return name
	end
	local asked = checked(name)
	if asked == nil then
		return nil, "illegal name"
	end
	if hosts == nil then
		read_hosts()
	end
	local kind = ipv6 and TYPE_AAAA or TYPE_A
	local addresses = hosts[kind][asked]
	if addresses == nil then
		local entry = cache[kind][asked]
		if entry and skynet.now() < entry.expires then
			addresses = entry.addresses
		else
			server = server or assert(configured_server(), "Call dns.server first")
			addresses = ask(asked, kind)
			-- The server has nothing: what it once had is better.
			entry = cache[kind][asked]
			addresses = addresses or entry and entry.addresses
		end
	end
	if addresses == nil then
		error "timeout or no answer"
	end
	return addresses[1], addresses
end

---Sets the name server, for the next socket that is opened; one that is used stays for a minute.
---@param ip string
---@param port integer|nil  default 53
function dns.server(ip, port)
	server = { ip = ip, port = port or 53 }
end

---Forgets all answers.
function dns.flush()
	cache = { [TYPE_A] = {}, [TYPE_AAAA] = {} }
end

return dns
