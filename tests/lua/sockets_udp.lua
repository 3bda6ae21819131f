-- Datagrams.

local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

-- Binding to port 0 does not tell the port, so the first answer has to.
local function free_port()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	return port
end

check.main(function()
	local port = free_port()
	local received, answers = {}, {}
	local server
	server = socket.udp(function(data, from)
		received[#received + 1] = data
		socket.sendto(server, from, data:upper())
	end, "127.0.0.1", port)
	local client = socket.udp(function(data, from)
		answers[#answers + 1] = data
		check.equal("who answered", { socket.udp_address(from) }, { "127.0.0.1", port })
	end)
	socket.udp_connect(client, "127.0.0.1", port)
	for i, data in ipairs { "text", "", ("x"):rep(30000) } do
		check.equal("sent", socket.write(client, data), true)
		check.await(function() return #answers == i end)
		check.equal("arrived whole", received[i] == data and answers[i] == data:upper(), true)
	end
	local dialled
	local dial = socket.udp_dial("127.0.0.1", port, function(data) dialled = data end)
	socket.write(dial, { "a", 1 })
	check.await(function() return dialled end)
	check.equal("a table is one datagram", dialled, "A1")
	check.fails("a port is needed", "udp listen host failed$", socket.udp_listen, "127.0.0.1", 0, print)
	check.fails("no address", "Invalid udp address$", socket.udp_address, "x")
	for _, id in ipairs { server, client, dial } do
		socket.close(id)
		check.equal("closed", socket.invalid(id), true)
	end
end)
