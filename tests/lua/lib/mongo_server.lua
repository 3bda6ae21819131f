-- A server of the tests that speaks OP_MSG: it answers what its handler returns, or does what the handler does.

local socket = require "skynet.socket"
local bson = require "bson"
local reply = require "welkin.mongo"

local server = {}

---A reply as bytes.
---@param id integer  of the request
---@param document table|string  encoded, if it is a string
---@param header table|nil       fields that differ from an honest one: length, opcode, flags, kind
---@return string
function server.reply(id, document, header)
	header = header or {}
	local bytes = type(document) == "table" and tostring(bson.encode(document)) or document
	local length = header.length or #bytes + 21
	return string.pack("<i4i4i4i4I4B", length, 0, id, header.opcode or 2013, header.flags or 0, header.kind or 0) .. bytes
end

local function serve(fd, handler)
	socket.start(fd)
	while true do
		local head = socket.read(fd, 4)
		local body = head and socket.read(fd, string.unpack("<i4", head) - 4)
		if not body then
			break
		end
		local id, _, _, flags = string.unpack("<i4i4i4I4", body)
		local answer = handler(reply.document(body), { id = id, fd = fd, quiet = flags == 2 })
		if answer == "close" then
			break
		elseif type(answer) == "string" then
			socket.write(fd, answer)
		elseif answer and flags ~= 2 then
			socket.write(fd, server.reply(id, answer))
		end
	end
	socket.close(fd)
end

---@param handler fun(document: table, request: {id: integer, fd: integer, quiet: boolean}): table|string|nil
---@return integer port
---@return integer listener
function server.open(handler)
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(fd)
		serve(fd, handler)
	end)
	return port, listener
end

---A handler that is the primary and answers by the command's name.
---@param answers table<string, table|fun(document: table, request: table): any>
---@return fun(document: table, request: table): any
function server.primary(answers)
	return function(document, request)
		for name, answer in pairs(answers) do
			if document[name] ~= nil then
				if type(answer) == "function" then
					return answer(document, request)
				end
				return answer
			end
		end
		return document.ismaster and { ok = 1, ismaster = true } or { ok = 1 }
	end
end

return server
