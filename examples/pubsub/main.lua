-- Two readers of one topic, one of another; the node ends when all have read to the end.
--
-- For many readers in many services there is also `skynet.multicast`, where the publisher sends and the message is
-- packed once for all of them.

local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
	local news = skynet.uniqueservice "news"
	-- Before anybody reads: items wait.
	skynet.send(news, "lua", "publish", "weather", "rain")

	local this = coroutine.running()
	local left = 0
	for name, topic in pairs { alice = "weather", bob = "weather", carol = "sport" } do
		local reader = skynet.newservice("reader", name, topic)
		left = left + 1
		skynet.fork(function()
			skynet.call(reader, "lua", "read")
			left = left - 1
			if left == 0 then
				skynet.wakeup(this)
			end
		end)
	end
	skynet.yield()

	for _, item in ipairs { "weather sun", "sport 3:1", "weather end", "sport end" } do
		local topic, text = item:match "(%w+) (.*)"
		skynet.send(news, "lua", "publish", topic, text)
	end
	skynet.wait(this)
	skynet.error "all have read everything"
	skynet.abort()
end)
