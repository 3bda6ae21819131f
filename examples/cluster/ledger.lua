-- A snax service that other nodes use like one of their own: it takes lines and gives them back.

local snax = require "skynet.snax"

local lines = {}

function accept.note(line)
	lines[#lines + 1] = line
end

function response.lines()
	return lines
end

function init()
	snax.enablecluster()
end
