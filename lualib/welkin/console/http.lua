-- The console's HTTP form: a request carries one command, the answer is the console's own text.
--
-- No percent decoding and no query: the URL's slashes are blanks, or the body is the command. Whatever is wrong or
-- too long gives no command.

local socket = require "skynet.socket"

local HEAD_BYTES_MAX = 8192
local BODY_BYTES_MAX = 8192

local M = {}

---@param line string  first line of a request, or a command
---@return boolean
function M.is_request(line)
	return line:find "^GET " ~= nil or line:find "^POST " ~= nil
end

-- Header fields by lower-case name, and what came behind them; nil: no header.
local function read_head(fd)
	local text = "\r\n"
	local stop, rest
	repeat
		stop, rest = text:find("\r\n\r\n", 1, true)
		if not stop then
			local more = socket.read(fd)
			if not more or #text > HEAD_BYTES_MAX then
				return nil
			end
			text = text .. more
		end
	until stop
	local fields = {}
	for line in text:sub(3, stop + 1):gmatch "(.-)\r\n" do
		local name, value = line:match "^([^:]+):[ \t]*(.*)$"
		if name then
			fields[name:lower()] = value
		elseif line ~= "" then
			return nil
		end
	end
	return fields, text:sub(rest + 1)
end

-- A body in chunks; `rest` is what has come of it.
local function read_chunks(fd, rest)
	local body = ""
	while true do
		local size, after = rest:match "^(%x+)[^\r\n]*\r\n()"
		size = size and tonumber(size, 16)
		if size == nil and rest:find("\r\n", 1, true) then
			return nil
		elseif size == 0 then
			return body
		elseif size and #body + size > BODY_BYTES_MAX then
			return nil
		elseif size and #rest >= after + size + 1 then
			body = body .. rest:sub(after, after + size - 1)
			rest = rest:sub(after + size + 2)
		else
			local more = #rest <= 2 * BODY_BYTES_MAX and socket.read(fd)
			if not more then
				return nil
			end
			rest = rest .. more
		end
	end
end

local function read_body(fd, fields, rest)
	local coding, length = fields["transfer-encoding"], fields["content-length"]
	if coding then
		return coding:lower() == "chunked" and read_chunks(fd, rest) or nil
	end
	length = math.tointeger(tonumber(length))
	if length == nil or length < 0 then
		length = #rest
	end
	if length > BODY_BYTES_MAX then
		return nil
	end
	while #rest < length do
		local more = socket.read(fd)
		if not more then
			return nil
		end
		rest = rest .. more
	end
	return rest:sub(1, length)
end

---Reads the rest of a request.
---@param fd integer
---@param line string  its first line
---@return string|nil command  nil: it cannot be read; empty: it is none
function M.read_command(fd, line)
	local method, url, version = line:match "^(%a+)%s+(.-)%s+HTTP/([%d.]+)\r?$"
	if version == nil then
		return ""
	elseif version ~= "1.0" and version ~= "1.1" then
		return nil
	end
	local fields, rest = read_head(fd)
	if fields == nil then
		return nil
	end
	local body = read_body(fd, fields, rest)
	if method == "POST" or body == nil then
		return body
	end
	return (url:sub(2):gsub("/", " "))
end

return M
