-- What each new connection to MongoDB begins with: authentication, and the question for the primary.
--
-- The server is not trusted before it has proved that it knows the password as well (SCRAM), and not believed
-- without end: the number of times it sends us to another server is limited.

local skynet = require "skynet"
local bson = require "bson"
local crypt = require "skynet.crypt"
local md5 = require "md5"
local scram = require "welkin.scram"
local command = require "skynet.db.mongo.command"

local base64encode, base64decode = crypt.base64encode, crypt.base64decode

-- A failover takes one; more in a row means that members of the set contradict each other.
local REDIRECTIONS_MAX = 8
local DEFAULT_PORT = 27017

local login = {}

-- Authentication. Each method gives true, or nil and the reason.

local function secret(user, password)
	return md5.sumhexa(user .. ":mongo:" .. password)
end

-- Servers answer in kind: text to a text. Those that do not are understood too.
local function payload(answer)
	local text = answer.payload
	if type(text) ~= "string" then
		return nil
	end
	local kind, bytes = bson.type(text)
	if kind == "binary" then
		return bytes
	end
	local ok, decoded = pcall(base64decode, text)
	return ok and decoded or nil
end

local function attributes(text)
	local found = {}
	for name, value in (text .. ","):gmatch "(%a)=([^,]*)," do
		found[name] = value
	end
	return found
end

local function text_of_base64(text)
	local ok, decoded = pcall(base64decode, text)
	return ok and text and decoded or nil
end

local function finish_scram(run, id, done)
	if done then
		return true
	end
	local answer = run("saslContinue", 1, "conversationId", id, "payload", "")
	if answer.ok ~= 1 then
		return nil, answer.errmsg
	elseif not answer.done then
		return nil, "the server does not end the conversation"
	end
	return true
end

local function authenticate_by_scram(run, mechanism, hash, user, password)
	local nonce = base64encode(crypt.randomkey())
	local bare = "n=" .. user:gsub("[=,]", { ["="] = "=3D", [","] = "=2C" }) .. ",r=" .. nonce
	local answer = run("saslStart", 1, "autoAuthorize", 1, "mechanism", mechanism, "payload", base64encode("n,," .. bare))
	if answer.ok ~= 1 then
		return nil, answer.errmsg
	end
	local id, first = answer.conversationId, payload(answer)
	if id == nil or first == nil then
		return nil, "the server's answer is no SCRAM message"
	end
	local asked = attributes(first)
	local salt, rounds = text_of_base64(asked.s), math.tointeger(tonumber(asked.i))
	if asked.r == nil or asked.r:sub(1, #nonce) ~= nonce or asked.r == nonce then
		return nil, "the server's nonce does not begin with ours"
	elseif salt == nil or rounds == nil then
		return nil, "the server's answer is no SCRAM message"
	end
	local final = "c=biws,r=" .. asked.r
	local ok, proof, signature = pcall(scram.prove, hash, password, salt, rounds, bare .. "," .. first .. "," .. final)
	if not ok then
		return nil, proof
	end
	local text = final .. ",p=" .. base64encode(proof)
	answer = run("saslContinue", 1, "conversationId", id, "payload", base64encode(text))
	if answer.ok ~= 1 then
		return nil, answer.errmsg
	elseif text_of_base64(attributes(payload(answer) or "").v) ~= signature then
		return nil, "the server does not know the password either: its signature is wrong"
	end
	return finish_scram(run, id, answer.done)
end

local methods = {}

function methods.scram_sha1(run, user, password)
	return authenticate_by_scram(run, "SCRAM-SHA-1", "sha1", user, secret(user, password))
end

-- The password must be given in the form that SASLprep makes of it; for printable ASCII that is the password.
function methods.scram_sha256(run, user, password)
	return authenticate_by_scram(run, "SCRAM-SHA-256", "sha256", user, password)
end

function methods.mongodb_cr(run, user, password)
	local answer = run "getnonce"
	if answer.ok ~= 1 or type(answer.nonce) ~= "string" then
		return nil, answer.errmsg
	end
	local key = md5.sumhexa(answer.nonce .. user .. secret(user, password))
	answer = run("authenticate", 1, "user", user, "nonce", answer.nonce, "key", key)
	return answer.ok == 1 or nil, answer.errmsg
end

---@param run fun(name: string, value: any, ...): table  a command, on the user's database
---@param method string
---@param user string
---@param password string
---@return boolean
function login.authenticate(run, method, user, password)
	local authenticate = assert(methods[method], "Invalid authmod")
	local ok, reason = authenticate(run, user, password)
	if not ok then
		skynet.error(string.format("mongo: login of %s by %s failed: %s", user, method, reason or "no reason given"))
	end
	return ok or false
end

-- The primary

-- Nothing for what is no address.
local function split_address(text)
	if type(text) ~= "string" then
		return nil
	end
	local host, port = text:match "^(.+):(%d+)$"
	if host == nil then
		host, port = text:match "^[^:]+$", DEFAULT_PORT
	end
	port = math.tointeger(tonumber(port))
	if host and port and port < 65536 then
		return host:match "^%[(.+)%]$" or host, port
	end
end

local function members(hosts)
	local backup = {}
	for _, text in ipairs(hosts) do
		local host, port = split_address(text)
		if host then
			backup[#backup + 1] = { host = host, port = port }
		end
	end
	return backup
end

local function find_primary(client, channel)
	local answer = command.run_on(client, channel, "admin", "ismaster")
	if answer.ok ~= 1 then
		return
	end
	if type(answer.hosts) == "table" then
		channel:changebackup(members(answer.hosts))
	end
	if answer.ismaster then
		client.__redirections = 0
		client.host, client.port = channel.host, channel.port
		return
	end
	local host, port = split_address(answer.primary)
	if not host then
		error("No primary return : " .. tostring(answer.me))
	end
	client.__redirections = client.__redirections + 1
	if client.__redirections > REDIRECTIONS_MAX then
		client.__redirections = 0
		error(string.format("Too many redirections to a primary, the last one to %s:%d", host, port))
	end
	client.host, client.port = host, port
	channel:changehost(host, port)
end

---@param client skynet.db.mongo.Client
---@return fun(channel: skynet.socketchannel.Channel)  raises when the connection is not to be used
function login.on_connection(client)
	return function(channel)
		if client.username and client.password then
			local function run(name, value, ...)
				return command.run_on(client, channel, client.authdb, name, value, ...)
			end
			assert(login.authenticate(run, client.authmod, client.username, client.password))
		end
		find_primary(client, channel)
	end
end

return login
