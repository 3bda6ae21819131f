-- MySQL over TLS, which begins in the middle of the login; accounts that demand it; and MariaDB's accounts by Ed25519.

local skynet = require "skynet"
local mysql = require "skynet.db.mysql"
local socketchannel = require "skynet.socketchannel"
local check = require "check"

local LOST = socketchannel.error
local papers = skynet.getenv "papers"
local ca = papers .. "/ca.pem"

local function conf(more)
	local t = { host = "127.0.0.1", port = tonumber(skynet.getenv "port"), user = "welkin", password = "welkin-test" }
	for key, value in pairs(more) do
		t[key] = value
	end
	return t
end

local function cipher(db)
	return db:query "show status like 'ssl_cipher'"[1].Value
end

check.main(function()
	local db = mysql.connect(conf { tls = { ca = ca }, database = "welkin_test", charset = "utf8mb4" })
	check.that("it is encrypted", cipher(db) ~= "")
	local long = ("\0'\\x"):rep(300000)
	check.that("long values", db:execute(db:prepare "select ? v", long)[1].v == long)
	local answered = 0
	for i = 1, 50 do
		skynet.fork(function()
			for _ = 1, 10 do
				check.equal("its own result", db:query("select " .. i .. " v"), { { v = i } })
			end
			answered = answered + 1
		end)
	end
	check.await(function() return answered == 50 end)
	pcall(db.query, db, "kill connection_id()")
	local ok, name
	check.await(function()
		ok, name = pcall(cipher, db)
		return ok
	end)
	check.that("it comes back in secret", name ~= "")

	local plain = mysql.connect(conf {})
	check.equal("without tls it is not", cipher(plain), "")
	local strict = { user = "strict", password = "strict" }
	check.equal("an account that demands it", { pcall(mysql.connect, conf(strict)) }, { false, LOST })
	strict.tls = { ca = ca, server_name = "db.example" }
	check.that("is let in with it", cipher(mysql.connect(conf(strict))) ~= "")

	for _, tls in ipairs { false, { ca = ca } } do
		local curve = mysql.connect(conf { user = "curve", password = "a password", tls = tls })
		check.equal("by Ed25519", curve:query "select current_user() u"[1].u:match "^%a+", "curve")
		check.equal("not with a wrong password", { pcall(mysql.connect, conf { user = "curve", password = "A password", tls = tls }) }, { false, LOST })
	end

	check.equal("not signed by whom we trust", { pcall(mysql.connect, conf { tls = { ca = papers .. "/stranger.pem" } }) }, { false, LOST })
	check.equal("nor by whom the system trusts", { pcall(mysql.connect, conf { tls = true }) }, { false, LOST })
	check.equal("not its name", { pcall(mysql.connect, conf { tls = { ca = ca, server_name = "other.example" } }) }, { false, LOST })
	check.that("whoever it is", cipher(mysql.connect(conf { tls = { verify = false } })) ~= "")
end)
