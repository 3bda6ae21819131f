-- The MongoDB driver against servers that lie, stop and fall silent: whoever asked gets an error, and the next
-- request connects anew.

local skynet = require "skynet"
local socket = require "skynet.socket"
local mongo = require "skynet.db.mongo"
local channel = require "skynet.socketchannel"
local crypt = require "skynet.crypt"
local check = require "check"
local server = require "mongo_server"

local EMPTY = "\5\0\0\0\0"

-- What comes in answer to `bad`, byte for byte, is `bad_answer(id)`.
local bad_answer
local answers = {
	bad = function(_, request)
		return bad_answer(request.id)
	end,
}

local function refused(db, what, pattern, answer)
	bad_answer = answer
	local err = check.fails(what, pattern, db.runCommand, db, "bad")
	check.equal("then " .. what .. " is over", db:runCommand "ping", { ok = 1 })
	return err
end

local function lying_lengths(db)
	local function with(header, document)
		return function(id) return server.reply(id, document or EMPTY, header) end
	end
	for _, length in ipairs { 0, 3, 4, -1, 48000005, 0x7fffffff, -0x80000000 } do
		refused(db, "a message of length " .. length, "Invalid mongo message", with { length = length })
	end
	for length = 5, 19 do
		refused(db, "a message that is cut at " .. length, "Invalid mongo message", with { length = length })
	end
	refused(db, "no section", "Invalid bson block", with { length = 20 })
	refused(db, "two sections", ">1 section$", with({}, EMPTY .. "\0" .. EMPTY))
	refused(db, "another opcode", "Unsupported opcode:1$", with { opcode = 1 })
	refused(db, "a checksum", "checksumPresent$", with { flags = 1 })
	refused(db, "another kind", "payload type: 1$", with { kind = 1 })
	for _, document in ipairs { "", "\5", "\4\0\0\0", "\255\255\255\255", "\255\255\255\127\0", "\6\0\0\0\0" } do
		refused(db, ("the document %q"):format(document), "Invalid bson", with({}, document))
	end
	refused(db, "an element that is cut", "Invalid bson", with({}, "\9\0\0\0\16a\0\1\0"))
	refused(db, "a type that is none", "Invalid bson type : 6$", with({}, "\8\0\0\0\6a\0\0"))
end

-- A broken document is the concern of who asked for it; the others' answers are not lost.
local function others_are_not_concerned(db)
	local held
	answers.hold = function(_, request)
		held = request
	end
	local result
	skynet.fork(function()
		result = db:runCommand "hold"
	end)
	while not held do
		skynet.yield()
	end
	refused(db, "a broken document", "Invalid bson", function(id) return server.reply(id, "\6\0\0\0\6\0") end)
	socket.write(held.fd, server.reply(held.id, { ok = 1, late = true }))
	while not result do
		skynet.yield()
	end
	check.equal("the late answer", result, { ok = 1, late = true })
end

local function cut_anywhere(db)
	local bytes
	for size = 0, 40 do
		bad_answer = function(id)
			bytes = server.reply(id, { ok = 1, text = "a text" })
			return size == 0 and "close" or bytes:sub(1, size)
		end
		answers.bad = function(_, request)
			local answer = bad_answer(request.id)
			if answer ~= "close" then
				socket.write(request.fd, answer)
			end
			return "close"
		end
		local _, err = pcall(db.runCommand, db, "bad")
		check.equal("cut at " .. size, err, channel.error)
	end
	answers.bad = function(_, request) return bad_answer(request.id) end
	check.equal("afterwards", db:runCommand "ping", { ok = 1 })
end

local function unasked_answers(db)
	bad_answer = function(id)
		return server.reply(12345678, { ok = 1 }) .. server.reply(-1, { ok = 1 }) .. server.reply(id, { ok = 1, mine = 1 })
			.. server.reply(id, { ok = 1, twice = 1 })
	end
	check.equal("among answers nobody asked for", db:runCommand "bad", { ok = 1, mine = 1 })
	check.equal("and behind them", db:runCommand "ping", { ok = 1 })
end

local function cursors_that_lie(db)
	local col = db.things
	local function find(reply)
		answers.find = reply
		return function() return col:find():hasNext() end
	end
	check.fails("no cursor", "Reply from mongod error$", find { ok = 1 })
	check.fails("a cursor that is none", "Reply from mongod error$", find { ok = 1, cursor = { id = "x", firstBatch = {} } })
	check.fails("a batch that is none", "Reply from mongod error$", find { ok = 1, cursor = { id = 0, firstBatch = 1 } })
	check.fails("an error that is no text", nil, find { ok = 0, errmsg = { a = 1 } })
	answers.aggregate = { ok = 1, cursor = { id = 0, firstBatch = {} } }
	check.equal("nothing to count", col:aggregate({}):count(), 0)
	answers.find, answers.aggregate = nil, nil
end

local function never_answers()
	local silent = server.open(function(document)
		return document.ismaster and { ok = 1, ismaster = true } or nil
	end)
	local db = mongo.client { host = "127.0.0.1", port = silent, query_timeout_ms = 50 }:getDB "test"
	check.fails("a query without an answer", "query timeout: 50 ms at 127.0.0.1:%d+: mute$", db.runCommand, db, "mute")
	check.fails("one with a name", "query timeout: 50 ms at 127.0.0.1:%d+: find things$", db.things.findOne, db.things)
	local dead = server.open(function() end)
	local ok, err = pcall(mongo.client, { host = "127.0.0.1", port = dead, connect_timeout_ms = 50 })
	check.equal("a login without an answer", { ok, err }, { false, channel.error })
end

local function primaries_that_send_each_other()
	local first, second
	local count = 0
	first = server.open(function()
		count = count + 1
		return { ok = 1, ismaster = false, primary = "127.0.0.1:" .. second, hosts = { 1, "", "a:b:c", "x:99999999" } }
	end)
	second = server.open(function()
		count = count + 1
		return { ok = 1, ismaster = false, primary = "127.0.0.1:" .. first }
	end)
	local ok, err = pcall(mongo.client, { host = "127.0.0.1", port = first })
	check.equal("no primary", { ok, err }, { false, channel.error })
	check.that("after a few rounds", count < 50)
	for _, primary in ipairs { 1, "", "nowhere:0x", "127.0.0.1:99999" } do
		local port = server.open(function() return { ok = 1, ismaster = false, primary = primary, me = "me" } end)
		ok, err = pcall(mongo.client, { host = "127.0.0.1", port = port, connect_timeout_ms = 1000 })
		check.equal("primary " .. tostring(primary), { ok, err }, { false, channel.error })
	end
end

local function logins_that_lie()
	local b64 = crypt.base64encode
	local payload
	local continued = 0
	local port = server.open(server.primary {
		saslStart = function(document)
			local nonce = crypt.base64decode(document.payload):match "r=(.*)$"
			return { ok = 1, conversationId = 1, payload = payload(nonce) }
		end,
		saslContinue = function()
			continued = continued + 1
			return { ok = 1, done = true, payload = b64("v=" .. b64(("\0"):rep(20))) }
		end,
	})
	local db = mongo.client { host = "127.0.0.1", port = port }:getDB "admin"
	local function refuses(what, make)
		payload = make
		check.equal(what, db:auth("user", "password"), false)
	end
	refuses("no base64", function() return "#" end)
	refuses("no text", function() return 5 end)
	refuses("an empty text", function() return "" end)
	refuses("another nonce", function() return b64("r=abc,s=" .. b64 "salt" .. ",i=10") end)
	refuses("our nonce alone", function(nonce) return b64("r=" .. nonce .. ",s=" .. b64 "salt" .. ",i=10") end)
	refuses("no salt", function(nonce) return b64("r=" .. nonce .. "x,i=10") end)
	for _, rounds in ipairs { "", "x", "-1", "0", "1.5", "2147483647", "99999999999999999999" } do
		refuses("rounds " .. rounds, function(nonce) return b64("r=" .. nonce .. "x,s=" .. b64 "salt" .. ",i=" .. rounds) end)
	end
	check.equal("so far nobody was told a proof", continued, 0)
	refuses("a wrong signature", function(nonce) return b64("r=" .. nonce .. "x,s=" .. b64 "salt" .. ",i=10") end)
	check.equal("then the proof was sent", continued, 1)
	check.fails("a method that is none", "Invalid authmod$", function()
		local other = mongo.client { host = "127.0.0.1", port = port, authmod = "x509" }
		other:getDB("admin"):auth("u", "p")
	end)
end

check.main(function()
	local port = server.open(server.primary(answers))
	local db = mongo.client { host = "127.0.0.1", port = port }:getDB "test"
	lying_lengths(db)
	others_are_not_concerned(db)
	cut_anywhere(db)
	unasked_answers(db)
	cursors_that_lie(db)
	never_answers()
	primaries_that_send_each_other()
	logins_that_lie()
end)
