-- Withdraws from one account several times at once, first carelessly, then in order.

local skynet = require "skynet"
require "skynet.manager"

local account

-- Sends all the requests before any is answered; how many of them got the money.
local function at_once(cmd, amount, times)
	skynet.call(account, "lua", "reset")
	local requests = skynet.request()
	for _ = 1, times do
		requests:add { account, "lua", cmd, amount }
	end
	local paid = 0
	for _, answer in requests:select() do
		if answer and answer[1] then
			paid = paid + 1
		end
	end
	skynet.error(string.format("%s: %d x %d paid, balance %d", cmd, paid, amount,
		skynet.call(account, "lua", "balance")))
end

skynet.start(function()
	account = skynet.newservice "account"
	at_once("withdraw", 60, 3)
	at_once("withdraw_in_order", 60, 3)
	at_once("withdraw_twice", 50, 2)
	skynet.abort()
end)
