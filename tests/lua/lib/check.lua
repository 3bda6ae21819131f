-- Checks for the behaviour programs: each is the start service of a node, prints `PASS`, or a line `FAIL what` for
-- every check that did not hold, and ends the node.

local skynet = require "skynet"
require "skynet.manager"

local check = {}

local failures = 0

-- Past the logger and its mailbox: the lines must be out when the node ends.
local function say(line)
	io.stdout:write(line, "\n")
	io.stdout:flush()
end

local function fail(text)
	failures = failures + 1
	say("FAIL " .. text:gsub("\n", " / "))
end

local function show(value)
	if type(value) == "string" then
		return string.format("%q", value)
	elseif type(value) ~= "table" then
		return tostring(value)
	end
	local items = {}
	for k, v in pairs(value) do
		items[#items + 1] = string.format("[%s]=%s", show(k), show(v))
	end
	table.sort(items)
	return "{" .. table.concat(items, ",") .. "}"
end

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a == b and math.type(a) == math.type(b)
	end
	for k, v in pairs(a) do
		if not same(v, b[k]) then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

---@param what string
---@param condition any
function check.that(what, condition)
	if not condition then
		fail(what)
	end
end

---Values and tables by content; integers and floats differ.
---@param what string
---@param got any
---@param want any
function check.equal(what, got, want)
	if not same(got, want) then
		fail(string.format("%s: got %s, want %s", what, show(got), show(want)))
	end
end

---`f` must raise, with a message that matches.
---@param what string
---@param pattern string|nil
---@param f function
---@return any err
function check.fails(what, pattern, f, ...)
	local ok, err = pcall(f, ...)
	if ok then
		fail(what .. ": no error")
	elseif pattern and not tostring(err):find(pattern) then
		fail(string.format("%s: the error is %s", what, tostring(err)))
	end
	return err
end

---Lets the node work until `f` gives a true value. The harness has the clock.
---@param f fun(): any
---@return any
function check.await(f)
	local value = f()
	while not value do
		skynet.sleep(1)
		value = f()
	end
	return value
end

---Runs `f` as the program.
---@param f function
function check.main(f)
	skynet.start(function()
		skynet.fork(function()
			local ok, err = xpcall(f, debug.traceback)
			if not ok then
				fail("the program: " .. tostring(err))
			end
			if failures == 0 then
				say "PASS"
			end
			skynet.abort()
		end)
	end)
end

return check
