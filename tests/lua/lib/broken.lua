-- Does not start, in the way its argument names.

local skynet = require "skynet"

local how = ...

if how == "main" then
	error "broken in the main file"
elseif how == "init" then
	skynet.init(function() error "broken in init" end)
end

skynet.start(function()
	if how == "start" then
		skynet.yield()
		error "broken in start"
	elseif how == "exit" then
		skynet.exit()
	elseif how == "slow" then
		skynet.wait "nobody wakes it"
	end
end)
