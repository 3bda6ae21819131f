-- Uses the services of the other node in all the ways there are, and then closes the bank and itself.

local skynet = require "skynet"
local cluster = require "skynet.cluster"
require "skynet.manager"

skynet.start(function()
	-- By registered name; the answer comes back as from any service.
	skynet.error("deposit:", cluster.call("bank", "@accounts", "deposit", "ann", 100))
	-- Without an answer. Messages of one service arrive in order.
	cluster.send("bank", "@accounts", "deposit", "ann", 20)
	skynet.error("balance:", cluster.call("bank", "@accounts", "balance", "ann"))
	-- By address.
	local accounts = cluster.query("bank", "accounts")
	skynet.error("withdraw:", cluster.call("bank", accounts, "withdraw", "ann", 50))
	-- An error there is an error here; its text is in the log of the bank.
	skynet.error("withdraw too much:", (pcall(cluster.call, "bank", accounts, "withdraw", "ann", 500)))
	-- A local service that stands for the one over there.
	local proxy = cluster.proxy "bank@accounts"
	skynet.error("by proxy:", skynet.call(proxy, "lua", "balance", "ann"))
	-- A snax service.
	local ledger = cluster.snax("bank", "ledger")
	ledger.post.note "bread 3"
	ledger.post.note "milk 2"
	skynet.error("ledger:", table.concat(ledger.req.lines(), ", "))
	cluster.call("bank", "@accounts", "close")
	skynet.error "the shop closes"
	skynet.abort()
end)
