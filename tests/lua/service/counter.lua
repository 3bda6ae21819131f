-- A snax service for the tests: counts, and fails on demand.

local skynet = require "skynet"
local snax = require "skynet.snax"

local n = 0
local log = {}

local function doubled()
	return n * 2
end

-- Calls itself through a local variable, as patches of it do too.
local function down(k)
	if k == 0 then
		return n
	end
	return down(k - 1)
end

function init(first, ...)
	if first == "fail" then
		error "no beginning"
	end
	n = first or 0
	log = table.pack(...)
end

function exit(to, ...)
	if to == "fail" then
		error "no end"
	elseif to then
		skynet.send(to, "lua", ...)
	end
end

function accept.add(d)
	n = n + d
end

function accept.fail()
	error "an accept method fails"
end

function accept.leave(...)
	snax.exit(...)
end

function response.get()
	return n
end

function response.doubled()
	return doubled()
end

function response.down(k)
	return down(k)
end

function response.echo(...)
	return ...
end

function response.arguments()
	return log
end

function response.slow(ti)
	skynet.sleep(ti)
	return "slept"
end

function response.fail()
	error "a response method fails"
end

function response.spin()
	local x = 0
	for i = 1, 1000000 do
		x = x + i
	end
	skynet.sleep(5)
	return x
end

function response.who()
	return snax.self().handle, SERVICE_NAME, tostring(snax.self())
end
