-- An account whose bank takes a while to answer, so that a withdrawal blocks in the middle.
--
-- A service handles one message at a time, but a handler that blocks (`skynet.call`, `sleep`, a socket) lets the
-- next message in. What was read before the blocking line may then be wrong behind it. `skynet.queue` makes a
-- function that runs what it is given one after the other, whatever blocks inside.

local skynet = require "skynet"
local queue = require "skynet.queue"

local balance = 100
local in_order = queue()

local function ask_bank()
	skynet.sleep(1) -- stands for a call to another service
end

local function withdraw(amount)
	local before = balance
	if before < amount then
		return false
	end
	ask_bank()
	-- Wrong if another withdrawal came in meanwhile: it has read the same balance.
	balance = before - amount
	return true
end

local CMD = {}

function CMD.withdraw(amount)
	return withdraw(amount)
end

function CMD.withdraw_in_order(amount)
	return in_order(withdraw, amount)
end

-- The function inside may enter again: the same coroutine does not wait for itself.
function CMD.withdraw_twice(amount)
	return in_order(function()
		return in_order(withdraw, amount) and in_order(withdraw, amount)
	end)
end

function CMD.reset()
	balance = 100
	return true
end

function CMD.balance()
	return balance
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, cmd, ...)
		skynet.ret(skynet.pack(CMD[cmd](...)))
	end)
end)
