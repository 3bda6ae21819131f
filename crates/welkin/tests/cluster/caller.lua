-- A node that calls: does what lines on its control port say, one line of answer each, and calls the node `near`
-- all the time, whose calls nothing may disturb.

local skynet = require "skynet"
local socket = require "skynet.socket"
local cluster = require "skynet.cluster"

local near = { good = 0, bad = 0 }

local function call(node, value)
	local ok, back = pcall(cluster.call, node, "@echo", "echo", value)
	if not ok then
		return "failed"
	end
	return back == value and "ok" or back == nil and "nothing" or "wrong"
end

local function counts(count)
	return string.format("ok=%d nothing=%d failed=%d wrong=%d", count.ok, count.nothing, count.failed, count.wrong)
end

local function new_count()
	return { ok = 0, nothing = 0, failed = 0, wrong = 0 }
end

-- Runs `f(i)` for 1 to n, some at a time, and returns when all are through.
local function each(n, at_once, f)
	local left, i, co = at_once, 0, coroutine.running()
	for _ = 1, at_once do
		skynet.fork(function()
			while i < n do
				i = i + 1
				f(i)
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(co)
			end
		end)
	end
	skynet.wait(co)
end

local held = { waiting = 0, failed = 0 }

local CMD = {}

function CMD.calls(n)
	local count = new_count()
	for i = 1, n do
		local result = call("far", i)
		count[result] = count[result] + 1
	end
	return counts(count)
end

-- Messages of all sizes, whose bytes tell which they are.
function CMD.numbers(n)
	local count = new_count()
	each(n, 20, function(i)
		local size = i % 50 == 0 and 100000 or i * 37 % 300
		local result = call("far", i .. ":" .. string.char(i % 256):rep(size))
		count[result] = count[result] + 1
	end)
	return counts(count)
end

-- Around the sizes at which messages are cut, and large ones, eight at a time.
local SIZES = { 32750, 32767, 32768, 32769, 65536, 300000, 1 << 20, 1 << 20, 1 << 21, 5000001 }

function CMD.larges(rounds)
	local count = new_count()
	each(rounds * #SIZES, 8, function(i)
		local size = SIZES[i % #SIZES + 1]
		local text = string.rep(string.pack("<I4", i), size // 4)
		local result = call("far", text)
		count[result] = count[result] + 1
	end)
	return counts(count)
end

function CMD.collect()
	collectgarbage()
	return "collected " .. select(2, pcall(cluster.call, "far", "@echo", "collect"))
end

function CMD.hold(n)
	for _ = 1, n do
		held.waiting = held.waiting + 1
		skynet.fork(function()
			if not pcall(cluster.call, "far", "@echo", "hold") then
				held.failed = held.failed + 1
			end
			held.waiting = held.waiting - 1
		end)
	end
	skynet.yield()
	return "held"
end

function CMD.held()
	while held.waiting > 0 do
		skynet.sleep(1)
	end
	return "failed=" .. held.failed
end

-- Calls until one is answered.
function CMD.back()
	while call("far", "back") ~= "ok" do
		skynet.sleep(1)
	end
	return "back"
end

function CMD.flood(mib)
	local text = ("x"):rep(1 << 20)
	for _ = 1, mib do
		cluster.send("far", "@echo", "note", text)
		skynet.yield()
	end
	return "flooded " .. call("far", text)
end

function CMD.address(text)
	cluster.reload { far = text }
	return "reloaded"
end

-- Waits for some more calls to it.
function CMD.near()
	local wanted = near.good + 5
	while near.good < wanted and near.bad == 0 do
		skynet.sleep(1)
	end
	return string.format("good=%d bad=%d", near.good, near.bad)
end

skynet.start(function()
	cluster.reload { far = skynet.getenv "far", near = skynet.getenv "near" }
	skynet.fork(function()
		while true do
			local result = call("near", near.good)
			local which = result == "ok" and "good" or "bad"
			near[which] = near[which] + 1
			skynet.sleep(1)
		end
	end)
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(fd)
		socket.start(fd)
		for line in function() return socket.readline(fd) end do
			local cmd, argument = line:match "^(%S+) ?(.*)$"
			socket.write(fd, CMD[cmd](tonumber(argument) or argument) .. "\n")
		end
		socket.close(fd)
	end)
	skynet.error("CONTROL", port)
end)
