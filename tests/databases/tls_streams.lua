-- Both sides of `welkin.tls`: reading by lines and by bytes, the end of a stream, handshakes that do not end.

local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "welkin.tls"
local check = require "check"

local papers = skynet.getenv "papers"
local config = tls.server(papers .. "/server.pem", papers .. "/server.key")
local client = tls.client { ca = papers .. "/ca.pem", server_name = "db.example" }

-- Runs `serve(id)` for one connection and `use(id)` with its other end; the error of `serve`, if any.
local function meet(serve, use)
	local done, err
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		local ok, why = pcall(serve, id)
		done, err = true, not ok and why or nil
		socket.close(id)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	use(id)
	check.await(function() return done end)
	socket.close(id)
	socket.close(listener)
	return err
end

local function conversation(id)
	local stream = tls.accept(id, config, "a client")
	local version, _, name = stream:about()
	check.equal("agreed", { version, name }, { "TLSv1_3", "db.example" })
	check.equal("a line", stream:readline(), "first")
	check.equal("another end of a line", stream:readline "\r\n", "second\nhalf")
	check.equal("bytes", stream:read(3), "abc")
	check.equal("nothing asked for", stream:read(0), "")
	check.equal("what there is", stream:read(), "defg")
	stream:write "go on\n"
	check.equal("more than will come", { stream:read(10) }, { false, "rest" })
	check.equal("it was said goodbye", stream.truncated, nil)
	check.equal("the other way is open", stream:write { ("x"):rep(100000), "end\n" }, true)
	stream:close()
	check.equal("now it is closed", stream:write "more", false)
end

local function talk(id)
	local stream = tls.connect(id, client, "127.0.0.1")
	stream:write "first\nsecond\nhalf\r\nabcdefg"
	stream:readline()
	stream:write "rest"
	stream:close()
end

check.main(function()
	check.equal("no error", meet(conversation, talk) or false, false)
	local late = meet(function(id) tls.accept(id, config, "somebody", 30) end, function(id) socket.read(id) end)
	check.equal("a handshake that does not end", late, "tls: somebody: the handshake has not ended within 30 ms")
	local cut
	meet(function(id)
		local stream = tls.accept(id, config)
		check.equal("cut off", { stream:readline() }, { false, "no line" })
		cut = stream.truncated
	end, function(id)
		tls.connect(id, client, "127.0.0.1"):write "no line"
		socket.close(id)
	end)
	check.equal("is told from an end", cut, true)
	local garbage = meet(function(id) tls.accept(id, config, "somebody") end, function(id)
		socket.write(id, "GET / HTTP/1.1\r\n\r\n")
		check.that("it is told why in TLS", #socket.read(id) > 0)
	end)
	check.that("who speaks no TLS is named", garbage:find "^tls: somebody: the peer does not speak TLS")
	local broken
	meet(function(id)
		local stream = tls.accept(id, config)
		socket.write(id, "\23\3\3\0\20this is not encrypted")
		socket.read(id)
		stream = nil
	end, function(id)
		local stream = tls.connect(id, client, "127.0.0.1")
		local ok, err = pcall(stream.read, stream)
		broken = not ok and err
		check.equal("it stays so", { pcall(stream.read, stream) }, { false, err })
	end)
	check.that("what was put in between is found", broken and broken:find "^tls: 127.0.0.1: ")
end)
