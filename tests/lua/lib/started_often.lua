-- Does the same odd jobs wherever it runs, and tells what came out: all that may differ between a VM that was
-- made and one that was copied is how much memory it began with.

local begun_with = collectgarbage "count"

local skynet = require "skynet"

local first, seed = ...
local log = {}

local function note(...)
	local words = {}
	for i = 1, select("#", ...) do
		words[i] = tostring((select(i, ...)))
	end
	log[#log + 1] = table.concat(words, " ")
end

local function random(state)
	return function(most)
		state = (state * 1103515245 + 12345) % 2147483648
		return state // 65536 % most + 1
	end
end

--- Tables of all sizes, with keys of all types, objects among them; some kept, some dropped.
local function fill(next)
	local kept, objects = {}, {}
	for i = 1, 2000 do
		local key = "key" .. next(500)
		kept[key] = (kept[key] or 0) + i
		local object = setmetatable({}, { __name = key })
		objects[object] = i
		objects[next(50)] = object
		if next(10) == 1 then
			objects = {}
		end
	end
	local names = {}
	for key, value in pairs(kept) do
		names[#names + 1] = key .. "=" .. value
	end
	table.sort(names)
	note("kept", #names, names[1], names[#names])
end

local function fail()
	local ok, message = pcall(function()
		local function deep(n) return n == 0 and error { "deep" } or 1 + deep(n - 1) end
		return deep(150)
	end)
	note("failed", ok, message[1])
	note("raised", select(2, pcall(error, "plain", 0)), select(2, pcall(function() return nil + 1 end)))
end

local function close()
	local order = {}
	do
		local outer <close> = setmetatable({}, { __close = function() order[#order + 1] = "outer" end })
		local inner <close> = setmetatable({}, { __close = function() order[#order + 1] = "inner" end })
	end
	local collected = 0
	for _ = 1, 50 do
		setmetatable({}, { __gc = function() collected = collected + 1 end })
	end
	collectgarbage()
	note("closed", order[1], order[2], collected)
end

local function libraries()
	note(("%5.2f|%q|%s"):format(math.pi, "a\nb", ("x"):rep(3, "-")), utf8.char(228, 8364), #os.date())
	note(string.pack("<i4", 7):byte(1, -1))
	local names = {}
	for name in pairs(_G) do
		names[#names + 1] = name
	end
	table.sort(names)
	note(table.concat(names, ","))
	note(rawget(_G, "print") == print, rawequal(string, require "string"), SERVICE_NAME, SERVICE_PATH)
end

local function coroutines()
	local produce = coroutine.wrap(function()
		for i = 1, 20 do
			coroutine.yield(i * i)
		end
	end)
	local sum = 0
	for value in produce do
		sum = sum + value
	end
	note("sum", sum)
	skynet.sleep(0)
	note("unpacked", skynet.unpack(skynet.pack("text", { 1, 2, { nested = true } }, 3.5)))
end

skynet.start(function()
	local next = random(tonumber(seed))
	for _, job in ipairs { fill, fail, close, libraries, coroutines, fill } do
		job(next)
		if next(2) == 1 then
			collectgarbage(next(2) == 1 and "collect" or "step")
		end
	end
	local told = table.concat(log, "\n"):gsub("table: 0x%x+", "table")
	skynet.dispatch("lua", function(_, _, what)
		skynet.retpack(what == "memory" and begun_with or first .. told)
	end)
end)
