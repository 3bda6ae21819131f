-- The body of a service that `skynet.service` makes: runs the function it is sent, as if that were its main file.
--
-- The function arrives as bytecode in an ordinary request, so it may block. `skynet.start` only notes what it is
-- given; that runs when the function has returned.

local skynet = require "skynet"

local function no_dispatch()
	error "No dispatch function"
end

local function init(_, _, cmd, code, ...)
	assert(cmd == "init")
	skynet.dispatch("lua", no_dispatch)
	local start_func
	skynet.start = function(f)
		start_func = f
	end
	assert(load(code, nil, "b"))(...)
	if start_func then
		start_func()
	end
	skynet.ret()
end

skynet.start(function()
	skynet.dispatch("lua", init)
end)
