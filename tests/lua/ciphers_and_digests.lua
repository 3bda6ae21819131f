-- `skynet.crypt`, `client.crypt` and `md5` as Lua programs see them: arguments, errors, names. What is
-- computed is tested beside the code that computes it.

local crypt = require "skynet.crypt"
local check = require "check"
local md5 = require "md5"

local KEY = "\1\2\3\4\5\6\7\8"
local ZERO = ("\0"):rep(8)

local function login()
	local own, others = crypt.randomkey(), crypt.randomkey()
	local secret = crypt.dhsecret(crypt.dhexchange(others), own)
	check.equal("both sides know the secret", crypt.dhsecret(crypt.dhexchange(own), others), secret)
	local token = crypt.desencode(secret, crypt.base64encode "user@server:password")
	check.equal("a token", crypt.base64decode(crypt.desdecode(secret, token)), "user@server:password")
end

local function long_texts()
	for size = 1020, 1030 do
		local text = ("text"):rep(size):sub(1, size)
		check.equal("base64 " .. size, crypt.base64decode(crypt.base64encode(text)), text)
		check.equal("hex " .. size, crypt.hexdecode(crypt.hexencode(text)), text)
		check.equal("des " .. size, crypt.desdecode(KEY, crypt.desencode(KEY, text, 1), 1), text)
	end
	local long = ("\1\2\3"):rep(1000000)
	check.equal("a long text", crypt.base64decode(crypt.base64encode(long)) == long, true)
end

local function arguments()
	check.equal("numbers are texts", crypt.hexencode(12), "3132")
	check.equal("nil is the default padding", crypt.desencode(KEY, "", nil), crypt.desencode(KEY, "", 0))
	check.fails("no text", "bad argument #1 to '.-' %(string expected, got nil%)$", crypt.hashkey, nil)
	check.fails("a key of 7 bytes", "^Invalid key size 7, need 8 bytes$", crypt.desencode, "1234567", "")
	check.fails("a padding that is none", "^Invalid padding mode 2$", crypt.desencode, KEY, "", 2)
	check.fails("the second number", "^Invalid uint64 y$", crypt.hmac64, KEY, "")
	check.fails("zero", "^Can't be 0$", crypt.dhsecret, KEY, ZERO)
	check.fails("with the caller's position", "^.+%.lua:%d+: Invalid hex text$", function() crypt.hexdecode "W0" end)
	-- Long texts take another way, on which memory must be given back.
	for _ = 1, 100 do
		check.fails("a long bad text", "^Invalid base64 text$", crypt.base64decode, ("YWJj"):rep(100000) .. "Y")
	end
	check.fails("texts of two lengths", "bad argument #2 to '.-' %(lengths must be equal%)$", md5.exor, "a", "ab")
	check.fails("no cypher text", "bad argument #1 to '.-' %(invalid cyphered string%)$", md5.decrypt, "\5ab", "k")
	check.fails("a nil seed", "bad argument #3 to ", md5.crypt, "a", "k", nil)
	check.fails("a long seed", "^seed too long %(> 16%)$", md5.crypt, "a", "k", ("s"):rep(17))
	check.fails("a long key", "^key too long %(> 256%)$", md5.crypt, "a", ("k"):rep(257))
end

local function names()
	check.equal("client.crypt has the same functions", require "client.crypt".sha1, crypt.sha1)
	check.equal("md5.core is md5", require "md5.core", md5)
	check.equal("version", md5._VERSION, "MD5 1.2")
	check.equal("a seed of its own", md5.crypt("text", "key") ~= md5.crypt("text", "key"), true)
	check.equal("and back", md5.decrypt(md5.crypt("text", "key"), "key"), "text")
	check.equal("nothing xor nothing", md5.exor("", ""), "")
end

check.main(function()
	login()
	long_texts()
	arguments()
	names()
end)
