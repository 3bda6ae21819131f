-- The body of every snax service: finds the file by its name, runs it, and hands messages to its methods.
--
-- The file runs here while this main chunk does, so a broken file fails the start. Methods refuse to work until
-- `init` has been called, which the starter does (`snax.newservice`).

local skynet = require "skynet"
local core = require "skynet.core"
local profile = require "skynet.profile"
local snax = require "skynet.snax"
local read_interface = require "snax.interface"

local name = tostring((...))
local loader = skynet.getenv "snax_loader"

local methods, pattern = read_interface(name, _ENV, loader and dofile(loader))

SERVICE_NAME = name
SERVICE_PATH = string.format("%s%s/", pattern:match "^[^?]*", name)
package.path = SERVICE_PATH .. "?.lua;" .. package.path

local traceback = debug.traceback
local start, stop = profile.start, profile.stop
local retpack = skynet.retpack

---@type table<string, { count: integer, time: number }>
local accounts = {}
local initialised = false

local function note(method_name, seconds)
	local account = accounts[method_name]
	if account == nil then
		account = { count = 0, time = 0 }
		accounts[method_name] = account
	end
	account.count = account.count + 1
	account.time = account.time + seconds
end

local function answer(f, ...)
	retpack(f(...))
end

local function run(method, ...)
	local ok, err
	start()
	if method[2] == "response" then
		ok, err = xpcall(answer, traceback, method[4], ...)
	else
		ok, err = xpcall(method[4], traceback, ...)
	end
	note(method[3], stop())
	if not ok then
		error(err, 0)
	end
end

local SYSTEM = {}

function SYSTEM.init(f, ...)
	assert(not initialised, "Already init")
	if f then
		f(...)
	end
	skynet.ret()
	skynet.info_func(function()
		return accounts
	end)
	initialised = true
end

function SYSTEM.exit(f, ...)
	assert(initialised, "Never init")
	if f then
		f(...)
	end
	-- Out of reach before the answer goes: who has it may be sure that the service is gone.
	core.command "EXIT"
	skynet.ret()
	skynet.exit()
end

function SYSTEM.hotfix(_, source, ...)
	retpack(require "snax.hotfix"(methods, source, ...))
end

function SYSTEM.profile()
	retpack(accounts)
end

local function dispatch(_, _, number, ...)
	local method = methods[number]
	if method == nil then
		error(string.format("snax service %s has no method number %s", name, tostring(number)))
	elseif method[2] == "system" then
		SYSTEM[method[3]](method[4], ...)
	else
		assert(initialised, "Init first")
		run(method, ...)
	end
end

---Lets this service be called from other nodes of a cluster, whose messages are of type `lua`.
function snax.enablecluster()
	skynet.dispatch("lua", dispatch)
end

skynet.start(function()
	skynet.dispatch("snax", dispatch)
end)
