-- The debug protocol that every Lua service answers: memory, tasks, code put into the living service.
--
-- Loaded when the first debug message comes, other than MEM, STAT and PING: these are asked of all services at once
-- and are native. Each command runs in an ordinary request and answers by itself.
-- Programs may add commands, but never replace one that the console relies on.

local skynet = require "skynet"

local M = {}

---@type table<string, function>
local added = {}
---@type function|nil what INFO answers
local info

-- `inject` finds the protocol table as `_U.proto` through this function.
local proto = skynet._proto
local function protocols()
	return proto
end

local CMD = {}

function CMD.GC()
	skynet.ignoreret()
	local kib_before, start = collectgarbage "count", skynet.hpc()
	collectgarbage "collect"
	skynet.error(string.format("GC %.2f Kb -> %.2f Kb, cost %.2f sec", kib_before, collectgarbage "count",
		(skynet.hpc() - start) / 1e9))
end

function CMD.TASK(session)
	if session == nil then
		local tasks = {}
		skynet.task(tasks)
		skynet.retpack(tasks)
	else
		skynet.retpack(skynet.task(session))
	end
end

function CMD.UNIQTASK()
	skynet.retpack(skynet.uniqtask())
end

function CMD.KILLTASK(pattern)
	local thread = skynet.killthread(tostring(pattern))
	if thread then
		skynet.error(string.format("Kill %s", thread))
		skynet.ret()
	else
		skynet.error(string.format("Kill %s : Not found", tostring(pattern)))
		skynet.retpack "Not found"
	end
end

function CMD.INFO(...)
	if info then
		skynet.retpack(info(...))
	else
		skynet.retpack(nil)
	end
end

function CMD.EXIT()
	skynet.exit()
end

function CMD.RUN(source, filename, ...)
	local inject = require "skynet.inject"
	local ok, lines = inject(skynet, source, filename, table.pack(...), protocols)
	collectgarbage "collect"
	skynet.retpack(ok, table.concat(lines, "\n"))
end

function CMD.TERM(address)
	skynet.ignoreret()
	skynet.term(address)
end

function CMD.REMOTEDEBUG(...)
	require("skynet.remotedebug").start(...)
end

function CMD.SUPPORT(name)
	skynet.retpack(skynet.dispatch(name) ~= nil)
end

-- Of the module `welkin`; the name is out of the way of those that programs add.
CMD["welkin.waits"] = function()
	skynet.retpack(require("welkin.native").open_calls())
end

-- Kept open on purpose: the exit of the service answers it with an error.
function CMD.LINK()
	skynet.response()
end

function CMD.TRACELOG(name, flag)
	if type(name) ~= "string" then
		name, flag = "lua", name
	end
	skynet.error(string.format("Turn trace log %s for %s", tostring(flag), name))
	skynet.traceproto(name, flag)
	skynet.ret()
end

---Handles one debug message; runs in its request.
---@param _ integer session
---@param _ integer source
---@param cmd string
---@param ... any
function M.dispatch(_, _, cmd, ...)
	local f = CMD[cmd] or added[cmd]
	if f == nil then
		error(tostring(cmd))
	end
	f(...)
end

---Adds a command of the service. `f(...)` must answer with `skynet.ret`; a built-in name is not replaced.
---@param name string
---@param f function
function M.reg_debugcmd(name, f)
	added[name] = f
end

---Sets what INFO answers (`skynet.info_func`).
---@param f function|nil
function M.set_info(f)
	info = f
end

return M
