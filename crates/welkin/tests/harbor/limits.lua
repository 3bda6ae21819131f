-- What does not fit: messages over the limit of a frame, and more of them than may wait. Node 9 never comes, HUB2 is
-- there, and harbor 3 (a peer played by the test) joins but does not read.

local skynet = require "skynet"
local harbor = require "skynet.harbor"

local FRAME = (1 << 24) - 1 - 12
local MB = 1 << 20

local function fails(...)
	local ok, err = pcall(skynet.call, ...)
	return not ok and err:find "call failed$" ~= nil
end

local function sizes()
	-- "echo" is 5 bytes packed, the long string 5 more than its text.
	local text = ("x"):rep(FRAME - 10)
	local hub = harbor.queryname "HUB2"
	assert(skynet.call(hub, "lua", "echo", text) == text)
	assert(fails(hub, "lua", "echo", text .. "x"))
	assert(fails("HUB2", "lua", "echo", text .. "x"))
	skynet.send(hub, "lua", "echo", text .. "x")
	assert(#skynet.call(hub, "lua", "make", FRAME - 5) == FRAME - 5)
	assert(fails(hub, "lua", "make", FRAME - 4))
	assert(skynet.call(hub, "lua", "echo", 1) == 1)
	skynet.error "SIZES"
end

-- Queues 80 MB, and waits until some of it has been refused.
local function fill(to)
	local text = ("x"):rep(MB)
	local refused = 0
	for _ = 1, 80 do
		skynet.fork(function()
			if not pcall(skynet.call, to, "lua", text) then
				refused = refused + 1
			end
		end)
	end
	repeat
		skynet.sleep(1)
	until refused > 10
	assert(refused < 20, refused)
end

skynet.start(function()
	skynet.error "READY"
	skynet.fork(function()
		sizes()
		fill(0x09000001)
		skynet.error "UNKNOWN NODE"
		fill "NOBODY"
		skynet.error "UNKNOWN NAME"
		harbor.connect(3)
		fill(0x03000001)
		assert(skynet.call("HUB2", "lua", "echo", 1) == 1)
		skynet.error "PEER THAT DOES NOT READ"
	end)
end)
