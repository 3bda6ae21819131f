-- What the master of a harbor network (service/cmaster.lua) and the nodes (service/cslave.lua) say to each other: one
-- byte of length, then packed values, the first of them a letter.
--
-- | from a node | | from the master | |
-- |---|---|---|---|
-- | `H id address` | hello, comes first | `W count` | so many nodes will connect to the new one |
-- | `R name address` | register a name | `N name address` | a name, asked for or new |
-- | `Q name` | ask for a name | `C id address`, `D id` | a node has come, has gone |
--
-- Both sides keep all names, at most NAMES_MAX, and wait no longer than HELLO_TICKS for who connects to them.

local skynet = require "skynet"
local socket = require "skynet.socket"

local control = {
	NAMES_MAX = 262144, -- some 50 MB
	HELLO_TICKS = 3000, -- hundredths of a second; a node speaks at once
}

---One package. Raises when it has more than 255 bytes.
---@return string
function control.package(...)
	local text = skynet.packstring(...)
	if #text > 255 then
		error "too long"
	end
	return string.char(#text) .. text
end

---Reads a package. Raises at the end of the connection, and when it holds no packed values.
---@param fd integer
---@return any ... its values
function control.read(fd)
	local size = assert(socket.read(fd, 1), "closed"):byte()
	return skynet.unpack((assert(socket.read(fd, size), "closed")))
end

---Whether `read` has raised this because the connection has ended.
---@param err any
---@return boolean
function control.is_end(err)
	return type(err) == "string" and err:find "closed$" ~= nil
end

---@param id any
---@return boolean  it can be the id of a node
function control.is_id(id)
	return math.type(id) == "integer" and id > 0 and id < 256
end

---Cuts a connection off that has not spoken in time. `has_spoken` is asked then.
---@param fd integer
---@param has_spoken fun(): boolean
function control.limit_silence(fd, has_spoken)
	skynet.timeout(control.HELLO_TICKS, function()
		if not has_spoken() and not socket.invalid(fd) then
			socket.shutdown(fd)
		end
	end)
end

return control
