-- Reads a topic until the item `end`.

local skynet = require "skynet"

local name, topic = ...

local function read_all()
	local news = skynet.queryservice "news"
	local read, items = 0, nil
	while true do
		read, items = skynet.call(news, "lua", "next", topic, read)
		for _, text in ipairs(items) do
			skynet.error(string.format("%s reads %s: %s", name, topic, text))
			if text == "end" then
				return
			end
		end
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd)
		assert(cmd == "read", "unknown command")
		read_all()
		skynet.ret()
	end)
end)
