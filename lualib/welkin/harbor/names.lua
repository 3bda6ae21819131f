-- Global names as a node knows them, and who waits for one. Part of service/cslave.lua.

local skynet = require "skynet"
local control = require "welkin.harbor.control"

---@type table<string, integer>
local addresses = {}
local count = 0
---@type table<string, function[]> answers of those that wait for a name
local waiting = {}

local names = {}

---@param name string
---@return integer|nil address
function names.find(name)
	return addresses[name]
end

---All names of services of one node.
---@param id integer
---@return table<string, integer>
function names.of_node(id)
	local list = {}
	for name, address in pairs(addresses) do
		if address >> 24 == id then
			list[name] = address
		end
	end
	return list
end

---A name is known, or has another address, from now on. False: there are too many.
---@param name string
---@param address integer
---@return boolean
function names.learn(name, address)
	if addresses[name] == nil then
		if count >= control.NAMES_MAX then
			skynet.error(string.format("error: the name %s is not kept: there are %d names", name, count))
			return false
		end
		count = count + 1
	end
	addresses[name] = address
	local answers = waiting[name]
	waiting[name] = nil
	for _, answer in ipairs(answers or {}) do
		answer(true, address)
	end
	return true
end

---Answers the present request when the name is known.
---@param name string
function names.wait(name)
	local answers = waiting[name] or {}
	waiting[name] = answers
	answers[#answers + 1] = skynet.response()
end

return names
