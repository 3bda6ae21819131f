-- Schemas for all services of the process: one service parses, the others take from a slot.
--
-- There are sixteen slots, 0 to 15. A schema that was once in a slot is never freed, so an object that
-- was loaded keeps working when the slot gets another one.

local core = require "sproto.core"
local parser = require "sprotoparser"
local sproto = require "sproto"

local loader = {}

---Puts the schema in a file into a slot.
---@param filename string
---@param slot integer|nil  0
function loader.register(filename, slot)
	local file = io.open(filename)
	if not file then
		error "Can't open sproto file"
	end
	local text = file:read "a"
	file:close()
	return loader.save(parser.parse(text), slot)
end

---Puts a bundle into a slot; one that cannot be read empties it.
---@param bundle string
---@param slot integer|nil  0
function loader.save(bundle, slot)
	local cobj = core.newproto(bundle)
	local ok, err = pcall(core.saveproto, cobj, slot)
	if not ok then
		if cobj then
			core.deleteproto(cobj)
		end
		error(err)
	end
end

---The schema in a slot.
---@param slot integer|nil  0
---@return sproto
function loader.load(slot)
	return sproto.sharenew(core.loadproto(slot))
end

return loader
