-- A service that reads data sheets as it is told, and keeps what it has read.

local skynet = require "skynet"
local datasheet = require "skynet.datasheet"

local kept = {}

local command = {}

function command.keep(name, ...)
	local value = datasheet.query(name)
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

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		skynet.ret(skynet.pack(command[what](...)))
	end)
end)
