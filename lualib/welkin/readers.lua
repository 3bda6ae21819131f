-- Services that wait for the next version of something: a request of each is kept open, and answered when there is
-- one.

local skynet = require "skynet"

---@class welkin.Waiting
---@field answers table<integer, function>  address -> answers its request
---@field count integer
---@field full integer  at so many, those that have ended are looked for

---@class welkin.Readers
---@field waiting table<any, welkin.Waiting>
local Readers = {}

local FULL_MIN = 16

local function forget_the_ended(waiting)
	local count = 0
	for address, answer in pairs(waiting.answers) do
		if answer "TEST" then
			count = count + 1
		else
			waiting.answers[address] = nil
		end
	end
	waiting.count = count
	waiting.full = math.max(FULL_MIN, count * 2)
end

---Keeps the request in work. One that the service has open already is answered with the values.
---@param name any
---@param address integer  the service
---@param ... any
function Readers:wait(name, address, ...)
	local waiting = self.waiting[name] or { answers = {}, count = 0, full = FULL_MIN }
	self.waiting[name] = waiting
	local before = waiting.answers[address]
	waiting.answers[address] = skynet.response()
	if before then
		before(true, ...)
	else
		waiting.count = waiting.count + 1
		if waiting.count > waiting.full then
			forget_the_ended(waiting)
		end
	end
end

---Answers all that wait for that name.
---@param name any
---@param ... any
function Readers:tell(name, ...)
	local waiting = self.waiting[name]
	self.waiting[name] = nil
	if waiting then
		for _, answer in pairs(waiting.answers) do
			answer(true, ...)
		end
	end
end

---@param name any
---@return integer waiting  some of them may have ended
function Readers:count(name)
	local waiting = self.waiting[name]
	return waiting and waiting.count or 0
end

---@return welkin.Readers
return function()
	return setmetatable({ waiting = {} }, { __index = Readers })
end
