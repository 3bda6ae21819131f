-- A notice board for the whole network: any node writes to it by its global name.
--
-- It ends with its node when the nodes it expects have come and gone.

local skynet = require "skynet"
local harbor = require "skynet.harbor"
require "skynet.manager"

local notes = {}
local CMD = {}

function CMD.write(author, text)
	table.insert(notes, author .. ": " .. text)
	skynet.error("note " .. #notes .. " by " .. author)
	return #notes
end

function CMD.read(n)
	return notes[n]
end

-- Waits for one node, until it is gone again.
local function watch(id)
	harbor.connect(id)
	skynet.error("node " .. id .. " is here")
	harbor.link(id)
	skynet.error("node " .. id .. " has left")
end

skynet.start(function()
	skynet.dispatch("lua", function(session, source, command, ...)
		skynet.retpack(CMD[command](...))
	end)
	skynet.register "BOARD"
	local expected = 0
	for id in skynet.getenv("visitors"):gmatch "%d+" do
		expected = expected + 1
		skynet.fork(function()
			watch(tonumber(id))
			expected = expected - 1
			if expected == 0 then
				skynet.error(#notes .. " notes in all")
				skynet.abort()
			end
		end)
	end
	skynet.error "the board is open"
end)
