-- The checksum (CRC-16/XMODEM) by which a Redis cluster spreads its keys.

local resp = require "welkin.resp"

---@type fun(text: string): integer
return resp.crc16
