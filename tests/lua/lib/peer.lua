-- The other service of many behaviour programs: answers, holds, fails and exits as it is told.

local skynet = require "skynet"

local args = { ... }
local held = {}
local notes = {}

-- A type whose messages cannot be unpacked here, and one that nobody handles.
skynet.register_protocol {
	name = "unreadable",
	id = 100,
	pack = skynet.pack,
	unpack = function() error "unreadable" end,
	dispatch = function() notes[#notes + 1] = "dispatched" end,
}
skynet.register_protocol { name = "unhandled", id = 101, pack = skynet.pack, unpack = skynet.unpack }

local CMD = {}

function CMD.echo(...)
	skynet.retpack(...)
end

function CMD.args()
	skynet.retpack(args)
end

function CMD.note(text)
	notes[#notes + 1] = text
end

function CMD.notes()
	skynet.retpack(notes)
	notes = {}
end

function CMD.raise(value)
	error(value, 0)
end

function CMD.answer_and_raise(value)
	skynet.retpack(value)
	error "after the answer"
end

function CMD.bytes(text)
	skynet.ret(text)
end

function CMD.never()
	skynet.wait()
end

function CMD.sleep(ti, ...)
	skynet.sleep(ti)
	skynet.retpack(...)
end

function CMD.hold(name)
	held[name] = skynet.response()
end

function CMD.release(name, ...)
	skynet.retpack(held[name](...))
end

function CMD.still_wanted(name)
	skynet.retpack(held[name] "TEST")
end

function CMD.call(addr, ...)
	skynet.retpack(pcall(skynet.call, addr, "lua", ...))
end

function CMD.exit()
	skynet.exit()
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		CMD[cmd](...)
	end)
end)
