-- Resident memory of a node that holds many idle services (key `services`).

local skynet = require "skynet"
local measure = require "measure"

local count = math.tointeger(tonumber(skynet.getenv "services"))

measure.run(function()
	for _ = 1, count do
		skynet.newservice "bystander"
	end
	measure.report("resident", measure.settled(), "B")
end)
