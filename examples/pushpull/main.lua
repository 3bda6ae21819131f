-- Takes lines from clients, gives each as a job to the next agent that is free, and writes the result back.
--
-- The pattern: clients push, agents pull. An agent asks for work by a call whose answer is kept until there is
-- some, so nobody has to know which agent is busy, and agents may come and go. Each client is a coroutine that
-- waits for its own job, so its results come in the order of its lines.

local skynet = require "skynet"
local socket = require "skynet.socket"

--- Jobs that may wait; beyond it clients are told to come again, instead of filling the memory.
local JOBS_MAX = 1000
local LINE_BYTES_MAX = 64 * 1024

---@class Job
---@field line string
---@field result string|nil

---@type Job[]
local waiting_jobs = {}
---@type table<integer, Job> number -> given to an agent
local running_jobs = {}
---@type function[] answers for agents that want work
local idle = {}
local count = 0

-- Brings jobs and agents together, as long as there are both.
local function share()
	while waiting_jobs[1] and idle[1] do
		local job = table.remove(waiting_jobs, 1)
		count = count + 1
		running_jobs[count] = job
		local answer = table.remove(idle, 1)
		if not answer(true, count, job.line) then
			-- The agent has ended meanwhile; the job is still first in line.
			running_jobs[count] = nil
			table.insert(waiting_jobs, 1, job)
		end
	end
end

-- Blocks until an agent has done it.
local function push(line)
	if #waiting_jobs >= JOBS_MAX then
		return "BUSY"
	end
	local job = { line = line }
	table.insert(waiting_jobs, job)
	share()
	while job.result == nil do
		skynet.wait(job)
	end
	return job.result
end

local CMD = {}

function CMD.pull()
	table.insert(idle, skynet.response())
	share()
end

function CMD.done(number, result)
	local job = running_jobs[number]
	running_jobs[number] = nil
	job.result = result
	skynet.wakeup(job)
end

local function serve(id)
	if not socket.start(id) then
		return
	end
	socket.limit(id, LINE_BYTES_MAX)
	local line = socket.readline(id)
	while line do
		line = line:gsub("\r$", "")
		socket.write(id, push(line) .. "\n")
		line = socket.readline(id)
	end
	socket.close(id)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		f(...)
	end)
	for _ = 1, tonumber(skynet.getenv "agents") do
		skynet.newservice("agent", skynet.self())
	end
	local listener, address, port = socket.listen("127.0.0.1", tonumber(skynet.getenv "port"))
	socket.start(listener, serve)
	skynet.error(string.format("pushpull: listening on %s:%d", address, port))
end)
