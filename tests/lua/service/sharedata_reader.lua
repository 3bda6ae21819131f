-- A service that reads shared data as it is told, keeps what it has read, and ends when it is told to.

local skynet = require "skynet"
local sharedata = require "skynet.sharedata"

local kept = {}

local command = {}

function command.keep(name, ...)
	local value = sharedata.query(name)
	for _, key in ipairs { ... } do
		value = value[key]
	end
	kept[name] = value
end

function command.read(name, key)
	return kept[name][key]
end

function command.flush()
	sharedata.flush()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		if what == "exit" then
			skynet.ret()
			skynet.exit()
		else
			skynet.ret(skynet.pack(command[what](...)))
		end
	end)
end)
