-- What the programs of these tests talk to: it answers, loops, takes memory and fails on demand.

local skynet = require "skynet"
local core = require "skynet.core"

local kind = ...

local commands = {}

function commands.echo(...)
	skynet.ret(...)
end

function commands.slow_echo(...)
	skynet.sleep(1)
	skynet.ret(...)
end

function commands.fail()
	error "failed on demand"
end

function commands.loop()
	while true do
	end
end

-- Loops at the end of a chain of coroutines and protected calls, each of which would go on.
function commands.stubborn_loop()
	while true do
		pcall(coroutine.wrap(function()
			while true do
				pcall(function()
					while true do
					end
				end)
			end
		end))
	end
end

-- A loop that ends: its coroutines are preempted several times and must not notice.
function commands.count(n)
	local inner = coroutine.wrap(function()
		local sum = 0
		for i = 1, n do
			sum = sum + i % 3
		end
		coroutine.yield(sum)
		return "end"
	end)
	local sum = inner()
	skynet.ret(sum, inner())
end

function commands.grow()
	local list = {}
	local ok, err = pcall(function()
		while true do
			list[#list + 1] = string.rep("x", 10000) .. #list
		end
	end)
	list = nil
	collectgarbage()
	skynet.ret(ok, err)
end

if kind == "loop_in_main" then
	while true do
	end
elseif kind == "raw" then
	-- A callback that loops by itself, on the main thread, through whatever catches errors.
	core.callback(function()
		while true do
			xpcall(function()
				while true do
				end
			end, function()
				while true do
				end
			end)
		end
	end)
	return
elseif kind == "limited" then
	skynet.memlimit(4 << 20)
end

-- In the main file, so that no message can come before them.
skynet.dispatch(function(_, _, command, ...)
	commands[command](...)
end)
core.command("REG", ".worker_" .. (kind or "plain"))
skynet.start()
