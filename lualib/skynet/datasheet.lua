-- Data sheets for reading: tables that are copied into the service part by part, each when it is first looked at.
--
-- What `query` gives, and every table inside it, begins empty, with a metatable; the first look fills it and takes
-- the metatable away. When a new version has come, all tables of the sheet are emptied and get the metatable back.
-- A sheet knows its tables by number, which is the same in all versions for a table at the same path.

local skynet = require "skynet"
local service = require "skynet.service"
local core = require "skynet.datasheet.core"
local await = require "welkin.await"

local datasheet = {}

---@type integer
local address

skynet.init(function()
	address = service.query "datasheet"
end)

---@class datasheet.Reader
---@field sheet userdata                  the newest version that was told
---@field first integer                   names the line of versions that number their tables alike
---@field proxies table<integer, table>   number -> table of the program, as long as anybody has it
---@field numbers table<table, integer>   the other way round; those of former lines too
---@field meta table

---@type table<any, datasheet.Reader|string> name -> reader, or the error of the first query
local known = {}
---@type table<any, thread[]> name -> who waits for the first query's answer
local asking = {}

local function proxy(reader, number)
	local t = reader.proxies[number]
	if t == nil then
		t = setmetatable({}, reader.meta)
		reader.proxies[number] = t
		reader.numbers[t] = number
	end
	return t
end

-- Fills a table that was not looked at since the newest version has come.
local function fill(reader, t)
	local number = reader.numbers[t]
	local there, below = false, nil
	if reader.proxies[number] == t then
		there, below = core.fill(reader.sheet, number, t)
	end
	if not there then
		error(string.format("Invalid proxy (index = %d)", number), 3)
	end
	for i = 1, #below, 2 do
		rawset(t, below[i], proxy(reader, below[i + 1]))
	end
	setmetatable(t, nil)
end

local function make_reader(sheet, first)
	local reader = {
		sheet = sheet,
		first = first,
		proxies = setmetatable({}, { __mode = "v" }),
		numbers = setmetatable({}, { __mode = "k" }),
	}
	reader.meta = {
		__index = function(t, key)
			fill(reader, t)
			return t[key]
		end,
		__pairs = function(t)
			fill(reader, t)
			return pairs(t)
		end,
		__len = function(t)
			fill(reader, t)
			return #t
		end,
	}
	return reader
end

local function renew(reader, sheet, first)
	local root = reader.root
	if first ~= reader.first then
		reader.first = first
		for t in pairs(reader.numbers) do
			if t ~= root then
				setmetatable(t, reader.meta)
			end
		end
		reader.proxies = setmetatable({ [0] = root }, { __mode = "v" })
	end
	core.release(reader.sheet)
	reader.sheet = sheet
	for t in pairs(reader.numbers) do
		for key in next, t do
			t[key] = nil
		end
		setmetatable(t, reader.meta)
	end
end

local function watch(name, reader)
	skynet.fork(function()
		local number, first = core.number(reader.sheet), nil
		while true do
			number, first = await(address, "lua", "monitor", name, number)
			local sheet = core.find(number)
			-- nil: there is a still newer one
			if sheet then
				renew(reader, sheet, first)
			end
		end
	end)
end

local function fetch(name)
	local sheet, number, first
	repeat
		number, first = skynet.call(address, "lua", "query", name)
		sheet = core.find(number)
	until sheet
	local reader = make_reader(sheet, first)
	reader.root = proxy(reader, 0)
	watch(name, reader)
	return reader
end

---The sheet of that name: a table that follows its versions. What the program writes into it is its own, until
---the next version comes.
---@param name any
---@return table t  the same one each time
function datasheet.query(name)
	if asking[name] then
		table.insert(asking[name], (coroutine.running()))
		skynet.wait()
	elseif known[name] == nil then
		asking[name] = {}
		local ok, result = pcall(fetch, name)
		known[name] = ok and result or tostring(result)
		local others = asking[name]
		asking[name] = nil
		for _, co in ipairs(others) do
			skynet.wakeup(co)
		end
	end
	local reader = known[name]
	if type(reader) == "string" then
		error(reader)
	end
	return reader.root
end

return datasheet
