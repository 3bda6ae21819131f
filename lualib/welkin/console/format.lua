-- How the debug console writes values: the shapes that operators' scripts parse.

local skynet = require "skynet"
local socket = require "skynet.socket"

local concat, tostring = table.concat, tostring

local M = {}

-- A result of many lines is made in parts, so that other connections get their turn meanwhile.
local LINES_A_PART = 500

local function sorted_keys(t)
	local keys, names = {}, {}
	for key in pairs(t) do
		local name = tostring(key)
		keys[#keys + 1] = name
		names[name] = key
	end
	table.sort(keys)
	return keys, names
end

-- `k:v` pairs, sorted, joined by tabs.
local function pairs_text(t)
	local keys, names = sorted_keys(t)
	for i, name in ipairs(keys) do
		keys[i] = name .. ":" .. tostring(t[names[name]])
	end
	return concat(keys, "\t")
end

local function write_table(fd, t, last)
	local keys, names = sorted_keys(t)
	local lines = {}
	for i, name in ipairs(keys) do
		local value = t[names[name]]
		value = type(value) == "table" and pairs_text(value) or tostring(value)
		lines[#lines + 1] = name .. "\t" .. value .. "\n"
		if #lines == LINES_A_PART and i < #keys then
			socket.write(fd, concat(lines))
			lines = {}
			skynet.yield()
		end
	end
	lines[#lines + 1] = last
	socket.write(fd, concat(lines))
end

---Writes what a command gave: nothing for nil and false, a line for each key of a table, else a line.
---The last line goes with it in one piece: a second small one would wait for the peer's acknowledgement.
---@param fd integer
---@param result any
---@param last string
function M.write(fd, result, last)
	if type(result) == "table" then
		write_table(fd, result, last)
	elseif result then
		socket.write(fd, tostring(result) .. "\n" .. last)
	else
		socket.write(fd, last)
	end
end

---@param count integer
---@return string|nil  nil for 0, which is not shown
function M.bytes(count)
	if count == 0 then
		return nil
	elseif count < 1024 then
		return tostring(count)
	elseif count < 1024 * 1024 then
		return count / 1024 .. "K"
	end
	return count / 1024 / 1024 .. "M"
end

---@param ticks integer  an age in hundredths of a second
---@return string
function M.age(ticks)
	local seconds = ticks / 100
	if seconds < 60 then
		return seconds .. "s"
	end
	local minutes = seconds // 60
	if minutes < 60 then
		return string.format("%d:%.2gs", minutes, seconds % 60)
	end
	return string.format("%d:%d:%.2gs", minutes // 60, minutes % 60, seconds % 60)
end

return M
