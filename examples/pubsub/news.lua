-- Keeps the last items of each topic, and tells them to those who ask.
--
-- The pattern: a subscription is a call that is answered when there is something new. The reader says how far it
-- has read, so nothing is lost between two calls; nobody has to be unsubscribed, since a reader that ended asks
-- no more; and a slow reader slows nobody down, it only finds that older items are gone.

local skynet = require "skynet"

local ITEMS_MAX = 64

---@class Topic
---@field last integer        number of the newest item, 0: none yet
---@field items table         number -> text, the newest ITEMS_MAX
---@field waiting function[]  answers for those who have read everything

---@type table<string, Topic>
local topics = {}

local function topic_of(name)
	local topic = topics[name]
	if topic == nil then
		topic = { last = 0, items = {}, waiting = {} }
		topics[name] = topic
	end
	return topic
end

local CMD = {}

function CMD.publish(name, text)
	local topic = topic_of(name)
	topic.last = topic.last + 1
	topic.items[topic.last] = text
	topic.items[topic.last - ITEMS_MAX] = nil
	local waiting = topic.waiting
	topic.waiting = {}
	for _, answer in ipairs(waiting) do
		answer(true, topic.last, { text })
	end
end

-- Answers with the number of the newest item and the items behind number `read`, as soon as there are any.
function CMD.next(name, read)
	local topic = topic_of(name)
	if read >= topic.last then
		table.insert(topic.waiting, skynet.response())
		return
	end
	local items = {}
	for number = math.max(read + 1, topic.last - ITEMS_MAX + 1), topic.last do
		table.insert(items, topic.items[number])
	end
	skynet.ret(skynet.pack(topic.last, items))
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
end)
