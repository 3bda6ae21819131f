-- Lets players in. In this example nobody comes, so it only says that it is there.

local skynet = require "skynet"
local version = require "version"

skynet.start(function()
	skynet.error(string.format("login of version %s is open", version))
end)
