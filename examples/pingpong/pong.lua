-- Answers pings and keeps notes.

local skynet = require "skynet"

local greeting = ... -- start arguments are texts
local notes = {}

local CMD = {}

function CMD.ping(n)
	skynet.ret(skynet.pack(string.format("%s %d", greeting, n)))
end

function CMD.note(text)
	table.insert(notes, text)
end

function CMD.notes()
	skynet.ret(skynet.pack(notes))
end

function CMD.stop()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
end)
