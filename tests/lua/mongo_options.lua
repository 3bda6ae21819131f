-- What the MongoDB driver has beside skynet's: SCRAM-SHA-256, several connections, a log of what is slow; and that
-- cursors, bulk writes and transactions work through all of it.

local skynet = require "skynet"
local mongo = require "skynet.db.mongo"
local bson = require "bson"
local crypt = require "skynet.crypt"
local scram = require "welkin.scram"
local check = require "check"
local server = require "mongo_server"

local b64 = crypt.base64encode

-- A server that knows one user, by SCRAM-SHA-256; it answers in binary, as some do.
local function login_by_sha256()
	local bare, first, signature
	local port = server.open(server.primary {
		saslStart = function(document)
			check.equal("mechanism", document.mechanism, "SCRAM-SHA-256")
			bare = crypt.base64decode(document.payload):sub(4)
			first = "r=" .. bare:match "r=(.*)$" .. "server,s=" .. b64 "saltsalt" .. ",i=4096"
			return { ok = 1, conversationId = 5, payload = bson.binary(first) }
		end,
		saslContinue = function(document)
			local final, proof = crypt.base64decode(document.payload):match "^(.*),p=(.*)$"
			local expected
			expected, signature = scram.prove("sha256", "päss", "saltsalt", 4096, bare .. "," .. first .. "," .. final)
			if crypt.base64decode(proof) ~= expected then
				return { ok = 0, errmsg = "Authentication failed." }
			end
			return { ok = 1, done = true, payload = bson.binary("v=" .. b64(signature)) }
		end,
	})
	local conf = { host = "127.0.0.1", port = port, username = "us=er", password = "päss", authmod = "scram_sha256" }
	local client = mongo.client(conf)
	check.equal("logged in", client:runCommand "ping", { ok = 1 })
	client:disconnect()
	conf.password = "wrong"
	check.equal("a wrong password", pcall(mongo.client, conf), false)
end

-- Requests that wait do not hold up others if there are connections for them.
local function several_connections()
	local connections, count, held = {}, 0, {}
	local port = server.open(server.primary {
		ismaster = function(_, request)
			if not connections[request.fd] then
				connections[request.fd] = true
				count = count + 1
			end
			return { ok = 1, ismaster = true }
		end,
		hold = function(_, request)
			held[#held + 1] = request
		end,
	})
	local client = mongo.client { host = "127.0.0.1", port = port, pool = 3 }
	for _ = 1, 5 do
		client:runCommand "ping"
	end
	check.equal("one connection is enough for one at a time", count, 1)
	local done = 0
	for _ = 1, 5 do
		skynet.fork(function()
			client:runCommand "hold"
			done = done + 1
		end)
	end
	while #held < 5 do
		skynet.yield()
	end
	check.equal("as many as there may be", count, 3)
	local socket = require "skynet.socket"
	for _, request in ipairs(held) do
		socket.write(request.fd, server.reply(request.id, { ok = 1 }))
	end
	while done < 5 do
		skynet.yield()
	end
	client:disconnect()
	check.fails("after the end", "attempt to index a boolean value", client.runCommand, client, "ping")
	check.fails("no connection at all", "pool = 0", mongo.client, { host = "127.0.0.1", port = port, pool = 0 })
	check.fails("tls", "tls = 1: true or a table", mongo.client, { host = "127.0.0.1", port = port, tls = 1 })
end

local function slow_commands()
	local port = server.open(server.primary { slow = function()
		skynet.sleep(5)
		return { ok = 1 }
	end })
	local client = mongo.client { host = "127.0.0.1", port = port, slow_ms = 20, query_timeout_ms = 5000 }
	check.equal("a slow one", client:runCommand("slow", "things"), { ok = 1 })
end

local function documents(cursor)
	local found = {}
	while cursor:hasNext() do
		found[#found + 1] = cursor:next()
	end
	return found
end

local function cursors(col, answers)
	answers.find = { ok = 1, cursor = { id = 1 << 40, firstBatch = {} } }
	local batches = 0
	answers.getMore = function(document)
		check.equal("the cursor's id", document.getMore, 1 << 40)
		batches = batches + 1
		return { ok = 1, cursor = { id = batches < 3 and bson.int64(1 << 40) or 0, nextBatch = { { n = batches } } } }
	end
	check.equal("an empty batch is no end", documents(col:find()), { { n = 1 }, { n = 2 }, { n = 3 } })
	answers.find, answers.getMore = nil, nil
end

local function bulk(client, answers)
	local sent
	answers.bulkWrite = function(document)
		sent = document
		return { ok = 1, nErrors = 1, cursor = { id = 0, firstBatch = { { ok = 1, idx = 0 }, { ok = 0, idx = 1, errmsg = "E" } } } }
	end
	local ok, err, _, failed = client:bulkWrite {
		{ op = "insert", collection = "a.b", insert = { x = 1 } },
		{ op = "delete", collection = "a.c", filter = {}, hit = "h" },
	}
	check.equal("results", { ok, err, failed }, { true, "E;", { 2 } })
	check.equal("operations", sent.ops, { { insert = 0, document = { x = 1 } }, { delete = 1, filter = {}, multi = false, hint = "h" } })
	check.equal("namespaces", sent.nsInfo, { { ns = "a.b" }, { ns = "a.c" } })
	check.fails("an operation that is none", ": zap$", client.bulkWrite, client, { { op = "zap" } })
end

local function transactions(db, answers)
	mongo.enable "transaction"
	local sent = {}
	answers.insert = function(document)
		sent[#sent + 1] = document
		return { ok = 1 }
	end
	answers.startSession = { ok = 1, id = { id = bson.binary "session" } }
	check.equal("a document that cannot be encoded", (db:run_transaction(function()
		check.fails("raises", "Invalid value type", db.col.safe_insert, db.col, { x = print })
		db.col:safe_insert { x = 1 }
	end)), nil)
	check.equal("the first one that is sent begins it", sent[1].startTransaction, true)
	local err = db:run_transaction(function()
		db:run_transaction(function() end)
	end)
	check.that("not within each other", tostring(err):find "has a transaction already")
	answers.startSession = { ok = 0, errmsg = "no sessions here" }
	check.fails("no session", "no sessions here$", db.run_transaction, db, function() end)
	answers.startSession = function() return "close" end
	check.equal("a server that goes", pcall(db.run_transaction, db, function() end), false)
	sent = {}
	db.col:safe_insert { x = 2 }
	check.equal("outside", sent[1].lsid, nil)
end

check.main(function()
	login_by_sha256()
	several_connections()
	slow_commands()
	local answers = {}
	local port = server.open(server.primary(answers))
	local client = mongo.client { host = "127.0.0.1", port = port }
	cursors(client.test.col, answers)
	bulk(client, answers)
	transactions(client.test, answers)
end)
