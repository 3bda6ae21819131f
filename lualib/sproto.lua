-- sproto: messages described by a schema, and calls between a client and a server made of them.
--
-- The work is `sproto.core`'s, where schemas and their types are numbers in the form of light userdata.
-- An object here holds a schema, remembers types and protocols that were asked for, and deletes the
-- schema when it is collected, unless it was made over one that others own. The second half is the
-- call layer: a package is a header (which protocol, which session), directly followed by a message.

local core = require "sproto.core"

local decode, encode, pack, unpack = core.decode, core.encode, core.pack, core.unpack

---@class sproto
---@field __cobj lightuserdata                       the schema
---@field __tcache table<string, lightuserdata>      types by name
---@field __pcache table<string|integer, sproto.protocol>
local sproto = {
	pack = pack,
	unpack = unpack,
}

---@class sproto.protocol
---@field name string
---@field tag integer
---@field request lightuserdata|nil
---@field response lightuserdata|nil  the null pointer: an answer without contents

---@class sproto.host
---@field __proto sproto
---@field __package lightuserdata       type of the header
---@field __session table<any, lightuserdata|true>  type of the awaited answer; true: it has none
local host = {}

local shared_meta = { __index = sproto }
local host_meta = { __index = host }
local owner_meta = {
	__index = sproto,
	__gc = function(self)
		core.deleteproto(self.__cobj)
	end,
}

local function object(cobj, meta)
	return setmetatable({ __cobj = cobj, __tcache = {}, __pcache = {} }, meta)
end

---An object over a schema that others own.
---@param cobj lightuserdata
---@return sproto
function sproto.sharenew(cobj)
	return object(cobj, shared_meta)
end

---An object from a bundle, as `sprotoparser.parse` makes it.
---@param bundle string
---@return sproto
function sproto.new(bundle)
	local cobj = assert(core.newproto(bundle))
	return object(cobj, owner_meta)
end

---An object from the text of a schema.
---@param text string
---@return sproto
function sproto.parse(text)
	local parser = require "sprotoparser"
	return sproto.new(parser.parse(text))
end

-- The type of this name, when it is asked for the first time.
local function find_type(self, name)
	local found = core.querytype(self.__cobj, name)
	if not found then
		error "type not found"
	end
	self.__tcache[name] = found
	return found
end

-- The protocol of this name or tag, when it is asked for the first time.
local function find_protocol(self, key)
	local other, request, response = core.protocol(self.__cobj, key)
	if not other then
		error(key .. " not found")
	end
	local name, tag = key, other
	if type(key) == "number" then
		name, tag = other, math.tointeger(key)
	end
	-- Asked for by name and by tag it is one table.
	local found = self.__pcache[name] or { name = name, tag = tag, request = request, response = response }
	self.__pcache[name] = found
	self.__pcache[tag] = found
	return found
end

---@param name string
---@return boolean
function sproto:exist_type(name)
	return core.querytype(self.__cobj, name) ~= nil
end

---@param key string|integer  name or tag
---@return boolean
function sproto:exist_proto(key)
	return core.protocol(self.__cobj, key) ~= nil
end

---@param key string|integer  name or tag
---@return sproto.protocol
function sproto:queryproto(key)
	return self.__pcache[key] or find_protocol(self, key)
end

-- These look into `__tcache` by themselves and come here for what is not in it. `decode` takes a text, or
-- a pointer and a size, and fills a table that is the last argument; `pencode` and `pdecode` pack as well.
---@type fun(self: sproto, name: string, value: table): string
sproto.encode = nil
---@type fun(self: sproto, name: string, ...: any): table, integer
sproto.decode = nil
---@type fun(self: sproto, name: string, value: table): string
sproto.pencode = nil
---@type fun(self: sproto, name: string, ...: any): table, integer
sproto.pdecode = nil
sproto.encode, sproto.decode, sproto.pencode, sproto.pdecode = core.methods(find_type, "__tcache")

---@param key string|integer
---@param value table|nil
---@return string body
---@return integer tag
function sproto:request_encode(key, value)
	local protocol = self.__pcache[key] or find_protocol(self, key)
	local request = protocol.request
	if not request then
		return "", protocol.tag
	end
	return encode(request, value), protocol.tag
end

---@param key string|integer
---@param value table|nil
---@return string body
function sproto:response_encode(key, value)
	local response = (self.__pcache[key] or find_protocol(self, key)).response
	if not response then
		return ""
	end
	return encode(response, value)
end

---@param key string|integer
---@param ... any  text, or pointer and size
---@return table|nil message
---@return string name
function sproto:request_decode(key, ...)
	local protocol = self.__pcache[key] or find_protocol(self, key)
	local request = protocol.request
	if not request then
		return nil, protocol.name
	end
	return (decode(request, ...)), protocol.name
end

---@param key string|integer
---@param ... any  text, or pointer and size
function sproto:response_decode(key, ...)
	local response = (self.__pcache[key] or find_protocol(self, key)).response
	if response then
		return decode(response, ...)
	end
end

---The values that fields have when nothing was set.
---@param key string|integer             type, or protocol if `kind` is given
---@param kind "REQUEST"|"RESPONSE"|nil
---@return table|nil
function sproto:default(key, kind)
	if kind == nil then
		return (core.default(self.__tcache[key] or find_type(self, key)))
	end
	local protocol = self.__pcache[key] or find_protocol(self, key)
	local found
	if kind == "REQUEST" then
		found = protocol.request
	elseif kind == "RESPONSE" then
		found = protocol.response
	else
		error "Invalid type"
	end
	if found then
		return (core.default(found))
	end
end

---One end of a connection.
---@param header string|nil  type of the header; "package"
---@return sproto.host
function sproto:host(header)
	local found = core.querytype(self.__cobj, header or "package")
	if not found then
		error "type package not found"
	end
	return setmetatable({ __proto = self, __package = found, __session = {} }, host_meta)
end

-- One table for all headers, which nothing keeps.
local header = {}

local function encode_header(self, tag, session, ud)
	header.type, header.session, header.ud = tag, session, ud
	return encode(self.__package, header)
end

local function answer_function(self, response, session)
	return function(value, ud)
		local head = encode_header(self, nil, session, ud)
		if not response then
			return pack(head)
		end
		return pack(head .. encode(response, value))
	end
end

---Takes a package of the other side.
---@param ... any  packed text, or pointer and size
---@return "REQUEST"|"RESPONSE"
---@return any ...  name, arguments, answer function, user data; or session, result, user data
function host:dispatch(...)
	local text = unpack(...)
	header.type, header.session, header.ud = nil, nil, nil
	local _, size = decode(self.__package, text, header)
	local body = text:sub(size + 1)
	local tag, session, ud = header.type, header.session, header.ud
	if tag then
		local protocol = self.__proto.__pcache[tag] or find_protocol(self.__proto, tag)
		local value
		if protocol.request then
			value = decode(protocol.request, body)
		end
		local answer
		if session then
			answer = answer_function(self, protocol.response, session)
		end
		return "REQUEST", protocol.name, value, answer, ud
	end
	if not session then
		error "session not found"
	end
	local response = self.__session[session]
	if not response then
		error "Unknown session"
	end
	self.__session[session] = nil
	if response == true then
		return "RESPONSE", session, nil, ud
	end
	local value = decode(response, body)
	return "RESPONSE", session, value, ud
end

---A function that makes requests of another schema, which describes what this side sends.
---@param other sproto
---@return fun(key: string|integer, value: table|nil, session: any, ud: any): string
function host:attach(other)
	return function(key, value, session, ud)
		local protocol = other.__pcache[key] or find_protocol(other, key)
		if session then
			self.__session[session] = protocol.response or true
		end
		local head = encode_header(self, protocol.tag, session, ud)
		if not protocol.request then
			return pack(head)
		end
		return pack(head .. encode(protocol.request, value))
	end
end

return sproto
