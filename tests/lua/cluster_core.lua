-- `skynet.cluster.core`: the frames that programs with services of their own make and read.

local skynet = require "skynet"
local core = require "skynet.cluster.core"
local check = require "check"

local function text_of(ptr, size)
	local text = skynet.tostring(ptr, size)
	skynet.trash(ptr, size)
	return text
end

local function body(frame)
	return string.unpack(">s2", frame)
end

check.main(function()
	-- Requests
	local frame, next_session = core.packrequest(0x10203, 1, skynet.pack("hello", 7))
	check.equal("a request", frame, "\0\x11\0\3\2\1\0\1\0\0\0\x2chello\x0a\7")
	check.equal("the next session", next_session, 2)
	local addr, session, ptr, size, more, push = core.unpackrequest(body(frame))
	check.equal("is read", { addr, session, text_of(ptr, size), more, push }, { 0x10203, 1, "\x2chello\x0a\7" })
	frame, next_session = core.packpush("@nm", 5, skynet.pack "x")
	check.equal("a push by name", { frame, next_session }, { "\0\x0b\x80\3@nm\0\0\0\0\x0cx", 6 })
	addr, session, ptr, size, more, push = core.unpackrequest(body(frame))
	check.equal("is read", { addr, session, text_of(ptr, size), more, push }, { "@nm", 0, "\x0cx", nil, true })
	check.equal("sessions begin again", select(2, core.packrequest(1, 0x7fffffff, skynet.pack(1))), 1)

	local parts
	frame, next_session, parts = core.packpush(5, 2, skynet.pack(("x"):rep(40000)))
	check.equal("a large push begins", frame, "\0\x0d\x41\5\0\0\0\2\0\0\0\x43\x9c\0\0")
	check.equal("has parts", { #parts, next_session }, { 2, 3 })
	addr, session, ptr, size, more, push = core.unpackrequest(body(frame))
	check.equal("the begin is read", { addr, session, ptr, size, more, push }, { 5, 2, nil, 40003, true, true })
	local joined = {}
	core.append(joined, nil, size)
	for i, part in ipairs(parts) do
		addr, session, ptr, size, more = core.unpackrequest(body(part))
		check.equal("part " .. i, { addr, session, more }, { false, 2, i == 1 })
		core.append(joined, ptr, size)
	end
	ptr, size = core.concat(joined)
	check.equal("joined", skynet.unpack(ptr, size), ("x"):rep(40000))
	skynet.trash(ptr, size)
	check.equal("a part too many", select("#", core.concat { 3, "ab", "cd" }), 0)
	check.equal("no size", select("#", core.concat { "ab" }), 0)

	-- What can be no request
	check.fails("no message", "Invalid request message$", core.packrequest, 1, 1, nil, 0)
	check.fails("session 0", "Invalid request session 0$", core.packrequest, 1, 0, skynet.pack(1))
	check.fails("no name", "name length is invalid, must be between 1 and 255 characters: $", core.packpush, "", 1, skynet.pack(1))
	check.fails("a long name", "name length is invalid", core.packpush, ("n"):rep(256), 1, skynet.pack(1))
	check.fails("another type", "name is not a string, it's a boolean$", core.packrequest, true, 1, skynet.pack(1))
	check.fails("an empty body", "Invalid req package. size == 0$", core.unpackrequest, "")
	check.fails("an unknown kind", "Invalid req package type 5$", core.unpackrequest, "\5abc")

	-- Traces
	check.equal("a trace", core.packtrace "(n-z-6):00000008-1", "\0\x13\4(n-z-6):00000008-1")
	check.equal("is read", { core.unpackrequest "\4tag" }, { "tag" })
	check.fails("a long trace", "trace tag is too long : 32769$", core.packtrace, ("t"):rep(32769))

	-- Responses
	check.equal("a result", core.packresponse(1, true, "ab"), "\0\7\1\0\0\0\1ab")
	ptr, size = skynet.pack "ab"
	check.equal("by pointer", core.packresponse(1, true, ptr, size), "\0\8\1\0\0\0\1\x14ab")
	skynet.trash(ptr, size)
	check.equal("an error", core.packresponse(2, false, "why"), "\0\8\2\0\0\0\0why")
	check.equal("a long error is cut", #core.packresponse(2, false, ("e"):rep(40000)), 2 + 5 + 32768)
	local frames = core.packresponse(3, true, ("r"):rep(40000))
	check.equal("a large result", #frames, 3)
	check.equal("begins", { core.unpackresponse(body(frames[1])) }, { 3, true, 40000, true })
	check.equal("goes on", { core.unpackresponse(body(frames[2])) }, { 3, true, ("r"):rep(32768), true })
	check.equal("ends", { core.unpackresponse(body(frames[3])) }, { 3, true, ("r"):rep(40000 - 32768) })
	check.equal("an error is read", { core.unpackresponse "\2\0\0\0\0why" }, { 2, false, "why" })
	for _, bad in ipairs { "", "abcd", "\1\0\0\0\9xx", "\1\0\0\0\2\5\0" } do
		check.equal("no response", select("#", core.unpackresponse(bad)), 0)
	end

	check.equal("a registered name", core.isname "@a", true)
	check.equal("no registered name", { core.isname "a", core.isname(5) }, {})
	check.that("the node's name", core.nodename():find "^%S+%d$")
end)
