-- The functions of `skynet` that are no part of a message's way: start-up, unique services, tracing.
--
-- The `skynet` table is native and filled as its names are used; the first use of one of these names loads this
-- file into the service. So whatever is used by every service or for every message does not belong here.

---@class skynet.native  what the runtime gives to this file only
---@field wait_session fun(session: integer, addr: any): boolean, lightuserdata, integer  blocks; false: an error came
---@field forget fun(session: integer)  nobody waits any more: a late answer is dropped silently
---@field sessions fun(): table<integer, thread|string>  suspended coroutines; "BREAK" for one that is gone
---@field tag fun(co: thread|nil): string|false|nil  trace tag
---@field fresh_tag fun(): string  the next tag of this service
---@field set_tag fun(tag: string|false|nil)  of the running coroutine
---@field trace_proto fun(name: string, flag: boolean|nil)
---@field init_thread fun(co: thread|nil)  the coroutine that runs the start function

---@param skynet table
---@param native skynet.native
---@return table<string, function>
return function(skynet, native)
	local core = require "skynet.core"
	local COLD = {}

	-- Start of a service

	---@param f function  run before the start function, or at the end of the module being loaded
	function COLD.init(f)
		return require("skynet.require").init(f)
	end

	---Runs what was given to `skynet.init`, then the start function, and reports to the launcher.
	---@param start_func function
	function COLD.init_service(start_func)
		native.init_thread((coroutine.running()))
		local ok, err = xpcall(function()
			require("skynet.require").init_all()
			start_func()
		end, debug.traceback)
		native.init_thread(nil)
		if ok then
			skynet.send(".launcher", "lua", "LAUNCHOK")
		else
			skynet.error("init service failed: " .. tostring(err))
			skynet.send(".launcher", "lua", "ERROR")
			skynet.exit()
		end
	end

	---@param name string
	---@param ... string|number  arguments, joined by spaces
	---@return integer address  nothing when the service exits in its start function
	function COLD.newservice(name, ...)
		return skynet.call(".launcher", "lua", "LAUNCH", "snlua", name, ...)
	end

	---@param global string|true  true: the name follows, and the service is one in the network
	---@param ... any
	---@return integer address
	function COLD.uniqueservice(global, ...)
		if global == true then
			return assert(skynet.call(".service", "lua", "GLAUNCH", ...))
		end
		return assert(skynet.call(".service", "lua", "LAUNCH", global, ...))
	end

	---@param global string|true
	---@param ... any
	---@return integer address  once somebody has made it by `uniqueservice`
	function COLD.queryservice(global, ...)
		if global == true then
			return assert(skynet.call(".service", "lua", "GQUERY", ...))
		end
		return assert(skynet.call(".service", "lua", "QUERY", global, ...))
	end

	---@param f function  gives the answer of the debug command INFO
	function COLD.info_func(f)
		require("skynet.debug").set_info(f)
	end

	-- Several requests at once: a file of its own, as few services need it.

	local request

	---@param r table|nil  a first request
	---@return skynet.Request
	function COLD.request(r)
		request = request or require "skynet.request"(native)
		return request(r)
	end

	-- Tasks

	---Groups coroutines that wait at the same place.
	---@return table<string, string>  `"<count>\tsessions:[<n>,...]\n"` -> traceback
	function COLD.uniqtask()
		local tasks, groups = {}, {}
		skynet.task(tasks)
		for key, text in pairs(tasks) do
			local group = groups[text] or {}
			groups[text] = group
			group[#group + 1] = tonumber(key:match " session: (%d+)$")
		end
		local result = {}
		for text, group in pairs(groups) do
			table.sort(group)
			local list = table.concat(group, ",", 1, math.min(#group, 9))
			if #group > 10 then
				list = list .. ",..."
			end
			result[string.format("%d\tsessions:[%s]\n", #group, list)] = text
		end
		return result
	end

	-- Tracing

	---Starts tracing in the running coroutine with a new tag.
	---@param info string|nil
	function COLD.trace(info)
		local tag = native.tag()
		skynet.error("TRACE", tag)
		if tag == false then
			return
		end
		tag = native.fresh_tag()
		native.set_tag(tag)
		core.trace(tag, info and "trace " .. info or "trace")
	end

	---@return string|false|nil tag  of the running coroutine; false: switched off
	function COLD.tracetag()
		return native.tag()
	end

	---@param name string
	---@param flag boolean|nil  true: trace every request; false: none; nil: those with a tag
	function COLD.traceproto(name, flag)
		local p = assert(skynet._proto[name])
		p.trace = flag
		native.trace_proto(name, flag)
	end

	COLD.tracelog = core.trace

	---A `rawcall` whose target is traced under `tag`.
	---@return lightuserdata msg, integer sz
	function COLD.tracecall(tag, addr, proto, msg, sz)
		core.trace(tag, "tracecall begin")
		core.send(addr, skynet.PTYPE_TRACE, 0, tag)
		local session = core.send(addr, skynet._proto[proto].id, nil, msg, sz)
		if session == nil then
			error("call to invalid address " .. skynet.address(addr), 2)
		end
		local ok, answer, size = native.wait_session(session, addr)
		core.trace(tag, "tracecall end")
		if not ok then
			error("call failed", 2)
		end
		return answer, size
	end

	-- A timer's coroutine has not started, so its own traceback says nothing: while switched on, the place that set
	-- the timer is kept and shown in its stead.
	local plain = {}

	local function shown(timers, co, text)
		return co and timers[co] or text
	end

	local function keep_timers()
		local timers = setmetatable({}, { __mode = "k" })
		plain.timeout, plain.task = skynet.timeout, skynet.task

		function skynet.timeout(ti, f)
			local co
			co = plain.timeout(ti, function()
				timers[co] = nil
				f()
			end)
			timers[co] = debug.traceback(string.format("TIMER %d+%s : ", skynet.now(), ti), 2)
			return co
		end

		function skynet.task(what)
			if type(what) == "table" then
				plain.task(what)
				for session, co in pairs(native.sessions()) do
					local key = string.format("%s session: %d", tostring(co), session)
					if what[key] then
						what[key] = shown(timers, co, what[key])
					end
				end
			elseif math.type(what) == "integer" then
				return shown(timers, native.sessions()[what], plain.task(what))
			else
				return plain.task(what)
			end
		end
	end

	---For debugging: shows in `task` where a timer was set.
	---@param on boolean|nil
	function COLD.trace_timeout(on)
		if on and plain.timeout == nil then
			keep_timers()
		elseif not on and plain.timeout then
			skynet.timeout, skynet.task = plain.timeout, plain.task
			plain = {}
		end
	end

	return COLD
end
