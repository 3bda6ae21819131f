-- `skynet.multicast`: channels, who receives, what is dropped, and what a program may do wrong.

local skynet = require "skynet"
local service = require "skynet.service"
local multicast = require "skynet.multicast"
local check = require "check"
require "skynet.manager"

local is_welkin = pcall(require, "welkin")

local function collector(options)
	local got = {}
	options = options or {}
	options.dispatch = function(_, source, ...)
		got[#got + 1] = table.pack(source, ...)
	end
	return multicast.new(options), got
end

-- Waits until as many have come.
local function settle(got, count)
	check.await(function() return #got >= count end)
end

local function subscriber(name)
	return service.new(name, function()
		local skynet = require "skynet"
		local multicast = require "skynet.multicast"
		local count = 0
		local CMD = {}
		function CMD.subscribe(id, endless)
			multicast.new {
				channel = id,
				dispatch = function()
					count = count + 1
					-- Works on the first message until it is killed.
					while endless do
					end
				end,
			}:subscribe()
		end
		function CMD.count()
			return count
		end
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, cmd, ...)
				skynet.ret(skynet.pack(CMD[cmd](...)))
			end)
		end)
	end)
end

local function objects()
	local ch = multicast.new()
	check.equal("an id", math.type(ch.channel), "integer")
	check.equal("tostring", tostring(ch), string.format("[Multicast:%x]", ch.channel))
	check.equal("the next id", multicast.new().channel, ch.channel + 256)

	local first, one = collector { channel = ch.channel }
	local second, two = collector { channel = ch.channel }
	ch:publish "nobody"
	first:subscribe()
	ch:publish "first"
	second:subscribe()
	ch:publish "second"
	settle(two, 1)
	check.equal("the object that subscribed last receives", { #one, two[1][2] }, { 1, "second" })
	first:unsubscribe()
	ch:publish "nobody"
	second:subscribe()
	ch:publish "still nobody"
	second:unsubscribe()
	second:subscribe()
	ch:publish "again"
	settle(two, 2)
	check.equal("unsubscribing one stops both", { #one, #two, two[2][2] }, { 1, 2, "again" })
	second:unsubscribe()

	ch:delete()
	check.equal("deleted", { ch.channel, pcall(ch.unsubscribe, ch) }, { nil, true })
	for _, name in ipairs { "publish", "subscribe", "delete" } do
		check.fails(name .. " of a deleted channel", "assertion failed!", ch[name], ch)
	end
	check.equal("its id has no text", (pcall(tostring, ch)), false)
	second:subscribe()
	second:publish "nowhere"
	local last, seen = collector()
	last:subscribe()
	last:publish "end"
	settle(seen, 1)
	check.equal("nobody has a deleted channel", #two, 2)
	second:unsubscribe()
	last:delete()
end

local function values()
	local ch, got = collector()
	ch:subscribe()
	ch:publish()
	ch:publish(nil, false, nil)
	ch:publish { deep = { 1, 2 } }
	settle(got, 3)
	local me = skynet.self()
	check.equal("no values", got[1], { me, n = 1 })
	check.equal("nil among them", got[2], { me, nil, false, nil, n = 4 })
	check.equal("tables", got[3][2], { deep = { 1, 2 } })
	check.fails("what cannot be packed", "Unsupport type function", ch.publish, ch, print)

	-- The publisher waits for the manager, and the messages for the publisher.
	for i = 1, 500 do
		ch:publish(i)
	end
	settle(got, 503)
	local sorted = true
	for i = 1, 500 do
		sorted = sorted and got[i + 3][2] == i
	end
	check.that("in order", sorted)
	ch:delete()

	local own, raw = collector {
		pack = function(text)
			return skynet.pack("<" .. text .. ">")
		end,
		unpack = function(msg, size)
			return size, skynet.unpack(msg, size)
		end,
	}
	own:subscribe()
	own:publish "x"
	settle(raw, 1)
	check.equal("own packing", raw[1], { me, 4, "<x>", n = 3 })
	own:delete()
end

local function many_services()
	local ch = multicast.new()
	local list = {}
	for i = 1, 20 do
		list[i] = subscriber("multicast_" .. i)
		skynet.call(list[i], "lua", "subscribe", ch.channel)
	end
	for i = 1, 10 do
		skynet.kill(list[i])
	end
	for i = 1, 10 do
		ch:publish(i)
	end
	local sum = 0
	for i = 11, 20 do
		sum = sum + skynet.call(list[i], "lua", "count")
	end
	check.equal("each living subscriber gets each message", sum, 100)
	ch:delete()
end

local function resident_kib()
	local file = assert(io.open "/proc/self/status")
	local text = file:read "a"
	file:close()
	return tonumber(text:match "VmRSS:%s+(%d+)")
end

-- A subscriber that is busy is killed with all that waits for it.
local function messages_of_the_dead()
	local ch, got = collector()
	ch:subscribe()
	local busy = subscriber "multicast_busy"
	skynet.call(busy, "lua", "subscribe", ch.channel, true)
	local text = string.rep("x", 1 << 20)
	ch:publish "work"
	local before = resident_kib()
	for _ = 1, 100 do
		ch:publish(text)
	end
	settle(got, 101)
	for i = 1, #got do
		got[i] = nil
	end
	collectgarbage()
	local full = resident_kib()
	check.that("they are kept for it: " .. full - before, full - before > 50 * 1024)

	-- The number of the channel as a session: of a call that has nothing to do with it.
	local slow = service.new("multicast_slow", function()
		local skynet = require "skynet"
		skynet.start(function()
			local asked
			skynet.dispatch("lua", function(_, _, cmd)
				if cmd == "wait" then
					asked = skynet.response()
				else
					asked(true, "answered")
				end
			end)
		end)
	end)
	local answer
	local session = skynet.genid()
	local colliding = multicast.new()
	while colliding.channel <= session + 8 do
		colliding = multicast.new()
	end
	local victim = subscriber "multicast_victim"
	skynet.call(victim, "lua", "subscribe", colliding.channel, true)
	colliding:publish "work"
	colliding:publish "waits"
	repeat
		session = skynet.genid()
	until session >= colliding.channel - 2
	-- One for `yield`, and the next one for the call.
	check.equal("the next sessions", session, colliding.channel - 2)
	skynet.fork(function()
		answer = table.pack(pcall(skynet.call, slow, "lua", "wait"))
	end)
	skynet.yield()
	skynet.kill(victim)
	skynet.kill(busy)
	-- What is freed has been answered before. (AddressSanitizer keeps it.)
	check.await(function() return os.getenv "ASAN_OPTIONS" or resident_kib() - before < 50 * 1024 end)
	skynet.send(slow, "lua", "go")
	check.await(function() return answer end)
	check.equal("a call of the publisher", answer, { true, "answered", n = 2 })
	ch:publish "after"
	settle(got, 1)
	check.equal("others go on", got[1][2], "after")
	ch:delete()
end

-- Each of these ends a node of skynet, or its manager.
local function made_up()
	local ch, got = collector()
	ch:subscribe()
	local me = skynet.self()
	local manager = skynet.uniqueservice "multicastd"
	for _, bytes in ipairs { "", "\1", "garbage garbage garbage", string.rep("\255", 64), string.pack("<I8I8", 1, 2) } do
		skynet.redirect(me, me, "multicast", ch.channel, bytes)
		skynet.redirect(me, me, "multicast", ch.channel + 1, bytes)
		skynet.redirect(manager, me, "multicast", ch.channel, bytes)
		skynet.redirect(manager, me, "multicast", ch.channel + 1, bytes)
		skynet.redirect(manager, me, "multicast", -1, bytes)
	end
	check.fails("published by hand", "call failed", skynet.call, manager, "lua", "PUB", ch.channel)
	check.fails("with a pointer", "call failed", skynet.call, manager, "lua", "PUB", ch.channel, skynet.pack(1))
	check.fails("to another node", "call failed", skynet.call, manager, "lua", "PUB", ch.channel + 1)
	check.fails("for another node", "call failed", skynet.call, manager, "lua", "SUBR", ch.channel)
	check.fails("an unknown command", "call failed", skynet.call, manager, "lua", "GARBAGE")
	check.fails("an id that is none", nil, multicast.new({ channel = "x" }).publish, multicast.new { channel = "x" }, 1)
	local count = #got
	ch:publish "sound"
	check.await(function() return #got > count and got[#got][2] == "sound" end)
	-- Only what can be unpacked came through: no bytes are no values.
	for i = 1, #got - 1 do
		check.that("a message by hand " .. i, got[i].n == 1 or got[i][2] == nil or type(got[i][2]) ~= "table")
	end
	ch:delete()
end

check.main(function()
	objects()
	values()
	many_services()
	if is_welkin then
		messages_of_the_dead()
		made_up()
	end
end)
