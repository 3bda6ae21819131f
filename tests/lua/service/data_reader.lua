-- A service that reads data by the module it is started with, `skynet.sharedata` or `skynet.datasheet`, as it is told,
-- keeps what it has read, and ends when it is told to.

local skynet = require "skynet"
local shared = require((...))

local kept = {}

local command = {}

function command.keep(name, ...)
	local value = shared.query(name)
	for _, key in ipairs { ... } do
		value = value[key]
	end
	kept[name] = value
end

function command.read(name, key)
	return kept[name][key]
end

function command.fails(name, key)
	local ok, err = pcall(function() return kept[name][key] end)
	return not ok and err
end

function command.flush()
	shared.flush()
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
