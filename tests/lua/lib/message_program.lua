-- A message server for the behaviour programs: a request says what its handler does.

local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local names = {}
local notes = {}

local server = { expired_number = 4 }

function server.register_handler(servername)
	return "registered", servername
end

function server.login_handler(uid, secret)
	names[uid] = msgserver.username(uid, 1, "test")
	msgserver.login(names[uid], secret)
	return names[uid]
end

function server.logout_handler(uid)
	msgserver.logout(names[uid])
end

function server.kick_handler(what, ...)
	if what == "notes" then
		local list = notes
		notes = {}
		return list
	elseif what == "go on" then
		skynet.wakeup(...)
	else
		return msgserver[what](...)
	end
end

function server.disconnect_handler(username)
	notes[#notes + 1] = "lost " .. username
end

local WORDS = {}

function WORDS.wait(token)
	skynet.wait(token)
	return "waited for " .. token
end

function WORDS.fail()
	error "raised by the handler"
end

function WORDS.nothing()
end

function WORDS.table()
	return {}
end

function WORDS.bytes(n)
	return ("x"):rep(tonumber(n))
end

function server.request_handler(_, text)
	notes[#notes + 1] = text
	local word, rest = text:match "^(%a+) ?(.*)$"
	local f = WORDS[word]
	if f then
		return f(rest)
	end
	return "echo " .. text
end

msgserver.start(server)
