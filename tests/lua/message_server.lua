-- `snax.msgserver`: handshakes, requests, and what becomes of them when the connection breaks.

local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local check = require "check"
local client = require "message_client"

local SECRET = "12345678"

local server, port, alice
local index = 0

local function kick(...)
	return skynet.call(server, "lua", "kick", ...)
end

local function connected()
	index = index + 1
	local id, answer = client.connect(port, client.handshake(alice, index, SECRET))
	check.equal("a good handshake", answer, "200 OK")
	return id
end

local function lost(id)
	socket.close(id)
	check.await(function() return not kick("ip", alice) end)
	return kick "notes"
end

local function handshakes()
	local function refused(handshake, want)
		local id, answer = client.connect(port, handshake)
		check.equal(handshake, answer, want)
		check.equal("it is closed", client.receive(id), false)
		socket.close(id)
	end
	for _, text in ipairs { "", "::", "nobody:1:x", alice, alice .. ":1" } do
		refused(text, "404 User Not Found")
	end
	local proof = crypt.base64encode "12345678"
	refused(alice .. ":x:" .. proof, "400 Bad Request")
	refused(alice .. ":1:*", "400 Bad Request")
	refused(alice .. "::" .. proof, "400 Bad Request")
	refused(client.handshake(alice, 0, SECRET), "403 Index Expired")
	refused(alice .. ":1:" .. proof, "401 Unauthorized")
	refused(client.handshake(alice, 1, "wrongkey"), "401 Unauthorized")
	local id = connected()
	refused(client.handshake(alice, index, SECRET), "403 Index Expired")
	client.ask(id, 1, "hello")
	check.equal("others' failures disturb nothing", client.answer(id), { "echo hello", 1, 1 })
	check.that("the address", kick("ip", alice):find "^127%.0%.0%.1:%d+$")
	check.equal("the end is told", lost(id), { "hello", "lost " .. alice })
end

local function answers()
	local id = connected()
	for i, case in ipairs {
		{ "fail", "", 0 }, { "nothing", "", 1 }, { "table", "", 0 }, { "bytes 65531", "", 0 }, { "", "echo ", 1 },
	} do
		local session = 10 + i
		client.ask(id, session, case[1])
		check.equal(case[1], client.answer(id), { case[2], case[3], session })
	end
	client.ask(id, 16, "bytes 65530")
	check.equal("the longest answer", #client.answer(id)[1], 65530)
	client.ask(id, 17, "wait a")
	client.ask(id, 18, "quick")
	check.equal("a slow one holds nothing back", client.answer(id), { "echo quick", 1, 18 })
	kick("go on", "a")
	check.equal("and comes later", client.answer(id), { "waited for a", 1, 17 })
	client.ask(id, 18, "new")
	check.equal("an answered session is a new request", client.answer(id), { "echo new", 1, 18 })
	lost(id)
end

local function resending()
	local id = connected()
	client.ask(id, 21, "first")
	client.answer(id)
	client.ask(id, 22, "wait b")
	check.await(function() return kick("notes")[1] end)
	lost(id)
	id = connected()
	client.ask(id, 21, "other text")
	check.equal("an answer is kept", client.answer(id), { "echo first", 1, 21 })
	client.ask(id, 22, "wait b")
	client.ask(id, 23, "last")
	client.answer(id)
	kick("go on", "b")
	check.equal("one that was at work answers here", client.answer(id), { "waited for b", 1, 22 })
	client.ask(id, 21, "again")
	check.equal("a second time it is a new request", client.answer(id), { "echo again", 1, 21 })
	check.equal("nothing ran twice", lost(id), { "last", "again", "lost " .. alice })
end

local function conflict()
	local id = connected()
	client.ask(id, 31, "wait c")
	client.ask(id, 31, "wait c")
	client.ask(id, 32, "behind")
	check.equal("asked twice at once", client.answer(id), { "echo behind", 1, 32 })
	kick("go on", "c")
	check.equal("one answer", client.answer(id), { "waited for c", 1, 31 })
	for _ = 1, 3 do
		client.ask(id, 33, "wait d")
	end
	check.equal("three times: closed", client.answer(id), false)
	lost(id)
	kick("go on", "d")
	id = connected()
	client.send(id, "abc")
	check.equal("a package without a session", client.receive(id), false)
	lost(id)
end

-- With 4 as `expired_number` at most 8 answers are kept. One sent again counts as the newest.
local function expiry()
	local id = connected()
	for session = 100, 120 do
		client.ask(id, session, "n" .. session)
		client.answer(id)
	end
	lost(id)
	id = connected()
	for session = 120, 119, -1 do
		client.ask(id, session, "late")
		check.equal("a late one is kept", client.answer(id)[1], "echo n" .. session)
	end
	for session = 100, 112 do
		client.ask(id, session, "late")
		check.equal("an early one is not", client.answer(id)[1], "echo late")
	end
	lost(id)
end

local function leaving()
	local older, id = connected(), connected()
	client.ask(older, 41, "old")
	check.equal("an older connection goes on", client.answer(older), { "echo old", 1, 41 })
	skynet.call(server, "lua", "logout", "alice")
	check.equal("logout closes", client.receive(id), false)
	check.equal("all", client.receive(older), false)
	socket.close(id)
	socket.close(older)
	check.equal("without a word", kick "notes", { "old" })
	check.fails("twice", nil, skynet.call, server, "lua", "logout", "alice")
end

check.main(function()
	server = skynet.newservice "message_program"
	check.fails("open needs a name", nil, skynet.call, server, "lua", "open", { address = "127.0.0.1", port = 0 })
	server = skynet.newservice "message_program"
	local conf = { address = "127.0.0.1", port = require "free_port"(), servername = "test" }
	port = conf.port
	check.equal("open", { skynet.call(server, "lua", "open", conf) }, { "registered", "test" })
	alice = skynet.call(server, "lua", "login", "alice", SECRET)
	check.equal("its parts", { kick("userid", alice) }, { "alice", "1", "test" })
	check.fails("online already", nil, skynet.call, server, "lua", "login", "alice", SECRET)
	check.fails("unknown commands", nil, skynet.call, server, "lua", "nonsense")
	handshakes()
	answers()
	resending()
	conflict()
	expiry()
	leaving()
end)
