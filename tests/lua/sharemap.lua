-- `skynet.sharemap`: a structure of one writer, and readers that renew their copy when they want.

local skynet = require "skynet"
local service = require "skynet.service"
local sharemap = require "skynet.sharemap"
local stm = require "skynet.stm"
local check = require "check"

local SCHEMA = [[
.point {
	x 0 : integer
	y 1 : integer
}
.shape {
	name 0 : string
	points 1 : *point
	open 2 : boolean
}
]]

local function register()
	check.fails("before the schema", "nil sproto at index 0", sharemap.writer, "shape")
	check.fails("no file", "Can't open sproto file", sharemap.register, "/nonexistent/file.sproto")
	local name = os.tmpname()
	local file = assert(io.open(name, "w"))
	file:write(SCHEMA)
	file:close()
	sharemap.register(name)
	os.remove(name)
	check.fails("a type that is not there", "type not found", sharemap.writer, "circle")
end

local function keys(object)
	local list = {}
	for key in pairs(object) do
		if key:sub(1, 2) == "__" then
			list[#list + 1] = key
		end
	end
	table.sort(list)
	return list
end

local function here()
	local shape = { name = "line", points = { { x = 1, y = 2 } } }
	local w = sharemap.writer("shape", shape)
	local r = sharemap.reader("shape", w:copy())
	check.equal("the first version", r.__data, shape)
	check.equal("nothing new", table.pack(r:update()), { false, n = 1 })
	check.equal("the writer is its table", { w.name, w.points == shape.points }, { "line", true })
	check.equal("the reader's own", keys(r), { "__data", "__obj", "__typename" })
	check.equal("the writer's own", keys(w), { "__data", "__obj", "__typename" })

	w.points[2] = { x = 3 }
	w.open, w.name, w.colour = true, nil, "red"
	check.equal("not yet", { r.open, r.name, #r.points }, { nil, "line", 1 })
	w:commit()
	local points = r.points
	local ok, data, size = r:update()
	check.equal("new", { ok, data == r.__data, math.type(size) }, { true, true, "integer" })
	check.equal("the whole", data, { points = { { x = 1, y = 2 }, { x = 3 } }, open = true })
	check.that("sub tables are new", points ~= r.points and #points == 1)
	check.fails("a reader is not written", nil, function() r.name = "no" end)
	check.fails("nor what it has", nil, function() r.open = false end)
	check.equal("unchanged", { r.name, r.open }, { nil, true })

	w.points = { { x = "one" } }
	check.fails("a wrong type", "is not an integer", w.commit, w)
	check.equal("the version before is still there", sharemap.reader("shape", w:copy()).open, true)
	check.equal("and nothing new", r:update(), false)

	local ref = w:copy()
	w = nil
	collectgarbage()
	check.equal("without its writer a reader keeps what it has", { r:update(), r.open }, { false, true })
	check.equal("and a new one has nothing", sharemap.reader("shape", ref).open, nil)
end

local function elsewhere()
	local other = service.new("sharemap_other", function()
		local skynet = require "skynet"
		local sharemap = require "skynet.sharemap"
		local reader
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, ref)
				if ref then
					reader = sharemap.reader("shape", ref)
				end
				skynet.ret(skynet.pack(not ref and reader:update() or nil, reader.name))
			end)
		end)
	end)
	local w = sharemap.writer("shape", { name = "a" })
	check.equal("read elsewhere", { skynet.call(other, "lua", w:copy()) }, { nil, "a" })
	w.name = "b"
	check.equal("not committed", { skynet.call(other, "lua") }, { nil, "a" })
	w:commit()
	check.equal("committed", { skynet.call(other, "lua") }, { true, "b" })
end

check.main(function()
	register()
	here()
	elsewhere()
	local text = stm.new "\255\255\255"
	check.fails("bytes of another writer", nil, sharemap.reader, "shape", stm.copy(text))
end)
