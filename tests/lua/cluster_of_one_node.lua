-- A node that calls itself through its own port: what is said about senders, agents and proxies as services.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
local socket = require "skynet.socket"
local check = require "check"

local notes = {}

local function names_of_any_bytes(port)
	local odd = "a b\0%\n\xff"
	local other = skynet.newservice "peer"
	cluster.register(odd, other)
	check.equal("a name of any bytes", cluster.query("me", odd), other)
	cluster.reload { ["n o%\n"] = "127.0.0.1:" .. port }
	check.equal("a node name of any bytes", cluster.call("n o%\n", "@self", "hello"), "hello")
	local proxy = cluster.proxy("me", "@" .. odd)
	check.that("a proxy of such a name", pcall(skynet.call, proxy, "lua", "args"))
end

local function services(sender, agent, proxy)
	for name, address in pairs { sender = sender, agent = agent, proxy = proxy } do
		check.equal(name .. " answers PING", select("#", skynet.call(address, "debug", "PING")), 0)
		check.equal(name .. " answers STAT", math.type(skynet.call(address, "debug", "STAT").message), "integer")
		check.equal(name .. " answers MEM", math.type(skynet.call(address, "debug", "MEM")), "float")
		check.fails(name .. " knows no such request", "call failed$", skynet.call, address, "debug", "NONSENSE")
	end
	for _, wrong in ipairs { {}, { "nonsense" }, { "call" }, { "req", 1 }, { "req", 1, "text", 4 }, { "changenode", 5 } } do
		check.fails("the sender refuses " .. tostring(wrong[1]), "call failed$", skynet.call, sender, "lua", table.unpack(wrong))
	end
end

-- The older commands, whose message is a pointer.
local function pointers(sender)
	check.equal("req", { skynet.call(sender, "lua", "req", "@self", skynet.pack("by", "pointer")) }, { "by", "pointer" })
	skynet.send(sender, "lua", "push", "@self", skynet.pack("pushed", 1))
	cluster.call("me", "@self", "after")
	check.equal("push", notes, { { "pushed", 1 } })
end

-- The debug request LINK, which waits for the end of the service.
local function linked(name, address)
	local link = {}
	skynet.fork(function()
		link.answered = pcall(skynet.call, address, "debug", "LINK")
		link.over = true
	end)
	skynet.yield()
	skynet.call(address, "debug", "PING")
	check.that(name .. " does not answer LINK while it lives", not link.over)
	return function()
		check.await(function()
			return link.over
		end)
		check.that(name .. " fails LINK when it ends", not link.answered)
	end
end

-- The next call has another connection.
local function agent_that_is_told_to_end(agent)
	local ended = linked("an agent", agent)
	skynet.send(agent, "lua", "exit")
	ended()
	check.await(function()
		return not pcall(skynet.call, agent, "debug", "PING")
	end)
	check.await(function()
		local ok, now = pcall(cluster.call, "me", "@self", "source")
		return ok and now ~= agent
	end)
end

local function sender_that_is_killed(sender)
	local failed
	skynet.fork(function()
		failed = not pcall(cluster.call, "me", "@self", "never")
	end)
	cluster.call("me", "@self", "first")
	local ended = linked("a sender", sender)
	skynet.kill(sender)
	ended()
	check.await(function()
		return failed ~= nil
	end)
	check.equal("who waits for a killed sender", failed, true)
end

-- What it sent is delivered all the same, also while its agent still asks whom the name means.
local function connection_that_ends_at_once(port)
	local fd = socket.open("127.0.0.1", port)
	socket.write(fd, string.pack(">s2", "\x80\5@self\0\0\0\0" .. skynet.packstring "last words"))
	socket.close(fd)
	check.await(function()
		return notes[#notes][1] == "last words"
	end)
end

-- It holds up nobody.
local function connection_without_a_whole_frame(port)
	local fd = socket.open("127.0.0.1", port)
	socket.write(fd, "\xff")
	cluster.reload { again = "127.0.0.1:" .. port }
	check.equal("others are served", cluster.call("again", "@self", "hello"), "hello")
	socket.close(fd)
end

check.main(function()
	skynet.dispatch("lua", function(session, source, cmd, ...)
		if cmd == "source" then
			skynet.retpack(source)
		elseif cmd == "never" then
			skynet.wait()
		elseif session == 0 then
			notes[#notes + 1] = { cmd, ... }
		else
			skynet.retpack(cmd, ...)
		end
	end)
	local _, port = cluster.open(0)
	cluster.reload { me = "127.0.0.1:" .. port }
	cluster.register "self"
	names_of_any_bytes(port)
	local sender, agent = cluster.get_sender "me", cluster.call("me", "@self", "source")
	services(sender, agent, cluster.proxy "me@self")
	pointers(sender)
	agent_that_is_told_to_end(agent)
	sender_that_is_killed(sender)
	connection_that_ends_at_once(port)
	connection_without_a_whole_frame(port)
end)
