-- What is said at the sproto port: schemas for both sides, as text. Every package begins with `package`; the type there
-- is the tag of a request, and who wants an answer gives a session.

local protocol = {}

-- What a client asks.
protocol.of_clients = [[
.package {
	type 0 : integer
	session 1 : integer
}

set 1 {
	request {
		key 0 : string
		value 1 : string
	}
	response {
		ok 0 : boolean
	}
}

get 2 {
	request {
		key 0 : string
	}
	response {
		value 0 : string  # absent: there is none
	}
}

quit 3 {}
]]

-- What the server asks. A client that does not answer has gone.
protocol.of_server = [[
.package {
	type 0 : integer
	session 1 : integer
}

heartbeat 1 {
	response nil
}
]]

-- Where `main.lua` puts them for all services, so that each agent need not read them again.
protocol.SLOT_OF_CLIENTS = 1
protocol.SLOT_OF_SERVER = 2

return protocol
