-- A gate made with `snax.gateserver` for the behaviour programs: notes what its handler is called with.

local skynet = require "skynet"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"

local notes = {}

local function note(...)
	notes[#notes + 1] = table.concat({ ... }, " ")
end

local handler = {}

function handler.open(source, conf)
	return source, conf.address, conf.port, conf.own
end

function handler.connect(fd)
	note("connect", fd)
	gateserver.openclient(fd)
end

function handler.message(fd, msg, sz)
	local text = netpack.tostring(msg, sz)
	if text == "block" then
		skynet.sleep(1)
	elseif text == "raise" then
		error "raised by the handler"
	elseif text == "close" then
		gateserver.closeclient(fd)
	elseif #text > 100 then
		text = #text .. " bytes"
	end
	note(fd, text)
end

function handler.disconnect(fd)
	note("disconnect", fd)
	gateserver.closeclient(fd)
end

local CMD = {}

function CMD.notes()
	return notes
end

function CMD.forget()
	notes = {}
end

CMD.openclient = gateserver.openclient
CMD.closeclient = gateserver.closeclient

function handler.command(cmd, source, ...)
	if cmd == "who" then
		return source, ...
	end
	return CMD[cmd](...)
end

gateserver.start(handler)
