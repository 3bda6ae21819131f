-- Coroutines of the program's own, inside which blocking calls are allowed.
--
-- When the body of one blocks, the whole chain of resumers up to the service's coroutine blocks with it, and
-- `resume` comes back only when the body yields by `yield` of this module, ends or fails. The yields of the two
-- kinds are told apart by the runtime (a wait of the framework) and by the word `USER` (one of this module).

local suspension = require "welkin.suspension"

local resume_plain, yield_plain, status_plain = coroutine.resume, coroutine.yield, coroutine.status

local M = {}

---@type table<thread, boolean> coroutines of this module that have not ended
local ours = setmetatable({}, { __mode = "k" })
---@type table<thread, thread> the service's coroutine that resumed it last
local service_of = setmetatable({}, { __mode = "kv" })
---@type table<thread, boolean> those that wait for the framework
local blocked = setmetatable({}, { __mode = "k" })

---@param f function
---@return thread
function M.create(f)
	local co = coroutine.create(f)
	ours[co] = true
	return co
end

-- After a resume: passes a wait on, once for each time the body blocks.
local function settle(co, ok, word, ...)
	local waits = suspension.suspended()
	if not ok then
		ours[co] = nil
		return false, word
	elseif status_plain(co) == "dead" then
		ours[co] = nil
		return true, word, ...
	elseif waits then
		blocked[co] = true
		suspension.suspend()
		blocked[co] = nil
		return settle(co, resume_plain(co))
	elseif word == "USER" then
		return true, ...
	end
	return true, word, ...
end

-- Results of a finished body without results must stay none.
local function count(co, ...)
	if status_plain(co) == "dead" and select("#", ...) == 1 then
		suspension.suspended()
		ours[co] = nil
		return ...
	end
	return settle(co, ...)
end

---@param co thread  made by this module
---@param ... any
---@return boolean, any ...
function M.resume(co, ...)
	if status_plain(co) == "dead" then
		return false, "cannot resume dead coroutine"
	elseif not ours[co] then
		return false, "cannot resume none skynet coroutine"
	elseif blocked[co] then
		return false, "cannot resume a skynet coroutine suspend by skynet framework"
	elseif status_plain(co) ~= "suspended" then
		return false, "cannot resume non-suspended coroutine"
	end
	service_of[co] = M.thread()
	return count(co, resume_plain(co, ...))
end

---@param ... any
---@return any ...
function M.yield(...)
	return yield_plain("USER", ...)
end

local function results(ok, ...)
	if ok then
		return ...
	end
	local err = ...
	if type(err) == "string" then
		error(err, 3)
	end
	error(err, 0)
end

---@param f function
---@return function
function M.wrap(f)
	local co = M.create(f)
	return function(...)
		return results(M.resume(co, ...))
	end
end

---@param co thread
---@return string  as Lua's, and "blocked"
function M.status(co)
	return blocked[co] and "blocked" or status_plain(co)
end

---@param co thread|nil
---@return thread|nil service_coroutine, boolean is_plain
function M.thread(co)
	co = co or coroutine.running()
	if ours[co] then
		return service_of[co], false
	end
	return co, true
end

---@param co thread
---@return boolean, any
function M.close(co)
	ours[co] = nil
	return coroutine.close(co)
end

M.running = coroutine.running
M.isyieldable = coroutine.isyieldable

return M
