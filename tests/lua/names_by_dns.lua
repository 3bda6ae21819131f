-- Names by a name server of our own: what it may answer, what is believed, and what is remembered.

local skynet = require "skynet"
local socket = require "skynet.socket"
local dns = require "skynet.dns"
local check = require "check"

local A, AAAA = 1, 28
local POINTER = "\xc0\x0c"
local ONE, TWO = "\10\0\0\1", "\10\0\0\2"
local SIX = string.pack(">I2I2I8I4", 0x2001, 0xdb8, 0, 0xa000b)

local server
local queries = {}
---@type table<string, fun(query: table)>
local answers = {}

local function name_bytes(name)
	return (name:gsub("[^.]+%.?", function(label) return string.pack("s1", (label:gsub("%.", ""))) end)) .. "\0"
end

local function record(name, kind, ttl, data)
	return name .. string.pack(">I2I2I4s2", kind, 1, ttl, data)
end

local function answer(query, records, change)
	change = change or {}
	local head = string.pack(">I2I2I2I2I2I2", change.id or query.id, 0x8180, change.questions or 1,
		change.count or #records, 0, 0)
	socket.sendto(server, query.from, head .. (change.question or query.question) .. table.concat(records))
end

local function on_query(data, from)
	local question = data:sub(13)
	local labels, at = {}, 1
	while question:byte(at) ~= 0 do
		labels[#labels + 1], at = string.unpack("s1", question, at)
	end
	local query = {
		id = string.unpack(">I2", data),
		question = question,
		name = table.concat(labels, "."),
		kind = string.unpack(">I2", question, at + 1),
		from = from,
	}
	queries[#queries + 1] = query
	answers[query.name](query)
end

local function file(text)
	local path = os.tmpname()
	local out = assert(io.open(path, "w"))
	out:write(text)
	out:close()
	return path
end

local function no_server_yet()
	check.equal("an address", { dns.resolve("999.1", true) }, { "999.1" })
	check.equal("an IPv6 address", { dns.resolve "FE80::1" }, { "fe80::1" })
	for _, name in ipairs { "", "a b", "a..b", ".a", ("x"):rep(64), ("a."):rep(600), "ä" } do
		check.equal("not a name: " .. name, { dns.resolve(name) }, { [2] = "illegal name" })
	end
	dns.DEFAULT_RESOLV_CONF = file "# nameserver 127.0.0.1\n"
	check.fails("no server", "Call dns.server first", dns.resolve, "a.test")
end

local function the_hosts_file()
	check.equal("a name", { dns.resolve "LocalHost" }, { "127.0.0.1", { "127.0.0.1" } })
	check.equal("on several lines", { dns.resolve "more.test" }, { "10.1.1.1", { "10.1.1.1", "10.1.1.2" } })
	check.equal("of the other family", { dns.resolve("more.test", true) }, { "::5", { "::5" } })
	check.equal("an absolute name", (dns.resolve "more.test."), "10.1.1.1")
end

local function what_is_remembered()
	answers["both.test"] = function(query)
		answer(query, { record(POINTER, A, 60, ONE), record(POINTER, AAAA, 60, SIX), record(POINTER, A, 60, TWO) })
	end
	check.equal("A", { dns.resolve "both.test" }, { "10.0.0.1", { "10.0.0.1", "10.0.0.2" } })
	check.equal("AAAA came with it", (dns.resolve("Both.test", true)), "2001:db8:0:0:0:0:a:b")
	check.equal("asked once", #queries, 1)
	dns.flush()
	check.equal("flush", (dns.resolve("both.test", true)), "2001:db8:0:0:0:0:a:b")
	check.equal("asks again", #queries, 2)
	local given = { record(POINTER, A, 0, ONE) }
	answers["brief.test"] = function(query) answer(query, given) end
	check.equal("no time to live", (dns.resolve "brief.test"), "10.0.0.1")
	given = {}
	check.equal("the stale answer", (dns.resolve "brief.test"), "10.0.0.1")
	check.equal("and again", (dns.resolve "brief.test"), "10.0.0.1")
	check.equal("is asked for each time", #queries, 5)
	answers["none.test"] = function(query) answer(query, {}) end
	check.fails("nothing", "timeout or no answer$", dns.resolve, "none.test")
	check.fails("nothing of the family", "timeout or no answer$", dns.resolve, "brief.test", true)
	answers["alias.test"] = function(query)
		local real = name_bytes "real.test"
		answer(query, { record(POINTER, 5, 60, real), record(real, A, 60, TWO) })
	end
	check.equal("an alias", (dns.resolve "alias.test"), "10.0.0.2")
end

local function what_is_not_believed()
	local truth = { record(POINTER, A, 60, ONE) }
	local lie = { record(POINTER, A, 60, TWO) }
	answers["lies.test"] = function(query)
		socket.sendto(server, query.from, "short")
		socket.sendto(server, query.from, ("\xff"):rep(100))
		answer(query, lie, { id = (query.id + 1) % 65536 })
		answer(query, lie, { question = name_bytes "other.test" .. query.question:sub(-4) })
		answer(query, lie, { question = query.question:sub(1, -5) .. "\0\x1c\0\1" })
		answer(query, lie, { questions = 2 })
		answer(query, lie, { count = 2 })
		answer(query, { record("\xc0\x1b", A, 60, TWO) })
		answer(query, { record(POINTER, A, 60, TWO .. "x") })
		answer(query, truth, { question = query.question:upper() })
		answer(query, lie)
	end
	check.equal("only the answer to the question", (dns.resolve "lies.test"), "10.0.0.1")
	check.equal("is remembered", (dns.resolve "lies.test"), "10.0.0.1")
	local numbers, same = {}, 0
	answers["many.test"] = function(query)
		same = same + (numbers[query.id] and 1 or 0)
		numbers[query.id] = true
		answer(query, { record(POINTER, A, 0, ONE) })
	end
	local done = 0
	for _ = 1, 100 do
		skynet.fork(function()
			check.equal("many at once", (dns.resolve "many.test"), "10.0.0.1")
			done = done + 1
		end)
	end
	check.await(function() return done == 100 end)
	check.equal("each with a number of its own", same, 0)
	check.that("which nobody can guess", next(numbers) and not (numbers[1] and numbers[2] and numbers[3]))
end

local function who_waits_is_killed()
	answers["mute.test"] = function() end
	local co = skynet.fork(dns.resolve, "mute.test")
	skynet.yield()
	skynet.killthread(co)
	check.equal("others go on", (dns.resolve "many.test"), "10.0.0.1")
end

check.main(function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	server = socket.udp(on_query, "127.0.0.1", port)
	dns.DEFAULT_HOSTS = file "127.0.0.1 localhost # more.test\n10.1.1.9\n\t10.1.1.1 More.test;x\n10.1.1.2 x more.test\n::5 more.test"
	no_server_yet()
	dns.server("127.0.0.1", port)
	the_hosts_file()
	what_is_remembered()
	what_is_not_believed()
	who_waits_is_killed()
	os.remove(dns.DEFAULT_HOSTS)
	os.remove(dns.DEFAULT_RESOLV_CONF)
end)
