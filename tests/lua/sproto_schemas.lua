-- The schema language of `sproto`: what is taken, what names mean, and what is said of mistakes.

local check = require "check"
local parser = require "sprotoparser"
local sproto = require "sproto"

local GOOD = {
	".a{x 0:integer}",
	".a{}.b{}.c{}",
	".a{} .b{}.c{}",
	".x{}p 1{request {}response {}}",
	".a {}\r\n.b {\r\n}\r\n# end",
	".a{x 0:integer#\ny 1:integer}",
	".a { x 0\n:\ninteger }",
	".a { x 0 : integer( 2 ) y 1 : *integer(3) z 2 : integer() }",
	".a { .b {}x 0 : b }",
	".x{} p 1 { response nil response x }",
	".p { .request {} } p 1 { request {} }",
	".integer {} .a { x 0 : integer }",
}

-- Text, and what is said.
local BAD = {
	{ ".a {", "syntax error at %[=text%] line %(1%)$" },
	{ ".a{}.b{} .c{}", "syntax error" },
	{ ".x{}p 1{request{}}", "syntax error" },
	{ ".a\n{\n x 0 : integer\n y : 5\n}", "line %(4%)$" },
	{ ".a {}#\n#\n\nx", "line %(4%)$" },
	{ ".a { x 0 : * a }", "syntax error" },
	{ ".b{i 0:integer} .a { x 0 : *b ( i ) }", "syntax error" },
	{ ".a{x 0:integer\ry 1:integer}", "syntax error" },
	{ ".a {}\0", "syntax error" },
	{ ".a { x 0 : integer x 1 : integer }", "redefine x in type a$" },
	{ ".a { x 5 : integer y 05 : integer }", "redefine tag 5 in type a$" },
	{ ".a {} .a {}", "redefined a$" },
	{ "p 1 { request {} } .p { .request {} }", "redefined p%.request$" },
	{ ".x {} p 7 {} q 7 {}", "redefined protocol tag 7 at [pq]$" },
	{ ".x {} p 1 { response x response nil response x }", "redefine response in protocol p$" },
	{ ".a { x 0 : a.a }", "Undefined type a%.a in type a$" },
	{ ".x{} p 1 { request integer }", "Undefined request type integer in protocol p$" },
	{ ".a { x 0 : *b(c) } .b { c 0 : c } .c {}", "Invalid map index :c$" },
	{ ".a { x 0 : *string() }", "Invalid map index :$" },
	{ ".b { i 0 : integer } .a { x 0 : *b(2) }", "Invalid map index :2$" },
	{ ".a { x 0 : *b() } .b { id 0 : integer }", "Invalid map definition: x, must only have two fields$" },
	{ ".a { x 32767 : integer }", "bad argument #2 to 'pack' %(unsigned overflow%)$" },
	{ ".a { x 0 : string(2) }", "assertion failed!$" },
	{ "p 1 {}", "assertion failed!$" },
}

local function names()
	local sp = sproto.parse [[
.b { out 0 : integer }
.a { .b { inn 0 : string .c { n 0 : integer } z 1 : c } x 0 : b y 1 : b.c z 2 : a.b }
.c { x 0 : b }
p 1 { request { q 0 : inner .inner { z 0 : integer } } response a.b }
]]
	local value = { x = { inn = "i", z = { n = 1 } }, y = { n = 2 }, z = { inn = "j" } }
	check.equal("the inner one", sp:decode("a", sp:encode("a", value)), value)
	check.equal("the outer one", sp:decode("c", sp:encode("c", { x = { out = 3 } })), { x = { out = 3 } })
	check.that("of a protocol", sp:exist_type "p.request.inner" and not sp:exist_type "inner")
end

check.main(function()
	for _, text in ipairs(GOOD) do
		check.that(text, pcall(sproto.parse, text))
	end
	for _, case in ipairs(BAD) do
		check.fails(case[1], case[2], parser.parse, case[1])
	end
	check.fails("a name of its own", "^.+%[mine%] line %(1%)$", parser.parse, "x", "mine")
	check.fails("no text", "bad argument #1 to 'parse' %(string expected, got nil%)", parser.parse)
	check.equal("nothing", parser.parse " # nothing", "\0\0")
	names()
end)
