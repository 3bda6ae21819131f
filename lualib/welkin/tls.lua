-- TLS over a socket of this service: the same reading and writing, of what nobody else can read.
--
-- The protocol is native (`welkin.tls.core`) and has no socket; this file carries bytes between the two. A stream is
-- made of a connected socket by a handshake, which has a deadline. Clients check the certificate and that it is good
-- for the name they have called, unless they are told not to; then the log says so once for each host.
--
-- Errors of a stream are texts that name the peer and the cause. The peer is told too, if there is a way.

local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "welkin.tls.core"

local HANDSHAKE_MS = 30000

local tls = {}

-- What has been said about hosts whose certificates are not checked.
local warned = {}

-- Options

---@class welkin.tls.Options
---@field ca string|nil           file (PEM) with those who may issue the server's certificate; default: the config key
---  `welkin_tls_ca`, else whom the system trusts
---@field verify boolean|nil      false: any certificate of any name will do
---@field server_name string|nil  the name that must stand in it; default: the host that was called
---@field cert string|nil         file with the client's own certificate, if the server wants one
---@field key string|nil          file with its key

local KNOWN = { ca = "string", verify = "boolean", server_name = "string", cert = "string", key = "string" }

local function check_options(options)
	for name, value in pairs(options) do
		local expected = KNOWN[name]
		if expected == nil then
			error(string.format("tls: no option is called %s", tostring(name)), 0)
		elseif type(value) ~= expected then
			error(string.format("tls: %s = %s: a %s is expected", name, tostring(value), expected), 0)
		end
	end
	if (options.cert == nil) ~= (options.key == nil) then
		error("tls: cert and key belong together", 0)
	end
end

---@class welkin.tls.Client  what many connections of a client share
---@field private config userdata
---@field private server_name string|nil
---@field private blind boolean

---Reads the files; raises if one cannot be used.
---@param options true|welkin.tls.Options
---@return welkin.tls.Client
function tls.client(options)
	if options == true then
		options = {}
	elseif type(options) ~= "table" then
		error(string.format("tls = %s: true or a table is expected", tostring(options)), 0)
	end
	check_options(options)
	local blind = options.verify == false
	local ca = options.ca or skynet.getenv "welkin_tls_ca"
	local ok, config = pcall(core.client_config, ca, options.cert, options.key, blind)
	if ok and options.server_name then
		-- So a name that is none is an error now.
		local named, err = pcall(core.client, config, options.server_name)
		ok, config = named, named and config or err
	end
	if not ok then
		error("tls: " .. tostring(config), 0)
	end
	return { config = config, server_name = options.server_name, blind = blind }
end

---What many connections of a server share. Raises if a file cannot be used.
---@param certificate string  file (PEM): the server's, and those between it and its root
---@param key string          file
---@return userdata
function tls.server(certificate, key)
	local ok, config = pcall(core.server_config, certificate, key)
	if not ok then
		error("tls: " .. tostring(config), 0)
	end
	return config
end

-- Streams

---@class welkin.tls.Stream
---@field id integer           the socket
---@field peer string          for people
---@field truncated boolean|nil  it has ended without a goodbye: somebody else may have ended it
---@field private session userdata
---@field private failed string|nil
local stream = {}
stream.__index = stream

local function fail(self, why)
	self.failed = string.format("tls: %s: %s", self.peer, why)
	error(self.failed, 0)
end

local function send_outgoing(self)
	local out = core.outgoing(self.session)
	return out == "" or socket.write(self.id, out)
end

-- Takes what has come from the socket, after waiting for it if need be. False: it has ended.
local function fill(self)
	if self.failed then
		error(self.failed, 0)
	end
	local wire = socket.read(self.id)
	if not wire then
		self.truncated = core.stage(self.session) ~= "ended"
		return false
	end
	local ok, why = core.receive(self.session, wire)
	send_outgoing(self)
	if not ok then
		fail(self, why)
	end
	return true
end

local function rest(self)
	return core.read(self.session) or ""
end

---As `socket.read`.
---@param size integer|nil
---@return string|false
---@return string|nil rest
function stream:read(size)
	local text = core.read(self.session, size)
	while text == nil do
		if core.stage(self.session) == "ended" or not fill(self) then
			return false, rest(self)
		end
		text = core.read(self.session, size)
	end
	return text
end

---As `socket.readline`.
---@param sep string|nil
---@return string|false
---@return string|nil rest
function stream:readline(sep)
	sep = sep or "\n"
	local line = core.readline(self.session, sep)
	while line == nil do
		if core.stage(self.session) == "ended" or not fill(self) then
			return false, rest(self)
		end
		line = core.readline(self.session, sep)
	end
	return line
end

---Bytes that have come and are not read. Does not wait.
---@return integer
function stream:unread()
	if socket.unread(self.id) > 0 then
		fill(self)
	end
	return core.unread(self.session)
end

---As `socket.write`.
---@param text string|string[]
---@return boolean
function stream:write(text)
	if self.failed then
		return false
	end
	return socket.write(self.id, core.send(self.session, text))
end

---Says goodbye; the socket is the caller's to close.
function stream:close()
	if not self.failed then
		self.failed = string.format("tls: %s: the stream is closed", self.peer)
		socket.write(self.id, core.close(self.session))
	end
end

---@return string|nil version      as `TLSv1_3`
---@return string|nil cipher
---@return string|nil server_name  at a server: the name that the client has called
function stream:about()
	return core.about(self.session)
end

-- Handshakes

-- Closes the socket if the handshake takes too long, so that its reader goes on.
local function limit_handshake(self, ms)
	skynet.timeout((ms + 9) // 10, function()
		if self.in_handshake then
			self.late = ms
			socket.close(self.id)
		end
	end)
end

local function shake_hands(self, ms)
	if ms then
		self.in_handshake = true
		limit_handshake(self, ms)
	end
	if not send_outgoing(self) then
		fail(self, "the connection is closed")
	end
	while core.stage(self.session) == "handshake" do
		local ok, more = pcall(fill, self)
		if self.late then
			fail(self, string.format("the handshake has not ended within %d ms", ms))
		elseif not ok then
			self.in_handshake = nil
			error(more, 0)
		elseif not more then
			self.in_handshake = nil
			fail(self, "the connection was closed in the handshake")
		end
	end
	self.in_handshake = nil
	return self
end

local function limit_ms(ms)
	if ms == nil then
		return tonumber(skynet.getenv "welkin_login_timeout_ms") or HANDSHAKE_MS
	end
	return ms > 0 and ms or nil
end

---The client's handshake. Raises if it fails; the socket is the caller's to close then.
---@param id integer  a connected socket of this service, of which nothing has been read that belongs to it
---@param client welkin.tls.Client
---@param host string  that was called
---@param port integer|nil  for people
---@param ms integer|nil  deadline; nil: `welkin_login_timeout_ms`; 0: none, the caller has one
---@return welkin.tls.Stream
function tls.connect(id, client, host, port, ms)
	local peer = port and string.format("%s:%s", host, port) or host
	local ok, session = pcall(core.client, client.config, client.server_name or host)
	if not ok then
		error(string.format("tls: %s: %s", peer, session), 0)
	end
	if client.blind and not warned[peer] then
		warned[peer] = true
		skynet.error(string.format("tls: %s: the certificate is not checked (verify = false)", peer))
	end
	return shake_hands(setmetatable({ id = id, peer = peer, session = session }, stream), limit_ms(ms))
end

---The server's handshake on an accepted socket that was started. Raises if it fails.
---@param id integer
---@param config userdata  of `tls.server`
---@param peer string|nil  for people
---@param ms integer|nil  as in `connect`
---@return welkin.tls.Stream
function tls.accept(id, config, peer, ms)
	local self = { id = id, peer = peer or ("socket " .. id), session = core.server(config) }
	return shake_hands(setmetatable(self, stream), limit_ms(ms))
end

return tls
