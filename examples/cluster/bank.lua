-- Accounts that services of other nodes use under the name `@accounts`. It ends with its node when it is told so.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
local snax = require "skynet.snax"
require "skynet.manager"

---@type table<string, integer>
local balances = {}
local CMD = {}

function CMD.deposit(name, amount)
	balances[name] = (balances[name] or 0) + amount
	return balances[name]
end

function CMD.withdraw(name, amount)
	local balance = balances[name] or 0
	assert(balance >= amount, "not enough money")
	return CMD.deposit(name, -amount)
end

function CMD.balance(name)
	return balances[name] or 0
end

function CMD.close()
	skynet.error "the bank closes"
	-- Later, so that who asked gets an answer.
	skynet.timeout(10, skynet.abort)
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, cmd, ...)
		local f = assert(CMD[cmd], "unknown command")
		if session == 0 then
			f(...)
		else
			skynet.retpack(f(...))
		end
	end)
	snax.uniqueservice "ledger"
	cluster.register "accounts"
	cluster.open "bank"
	skynet.error "the bank is open"
end)
