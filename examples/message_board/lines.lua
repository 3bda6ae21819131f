-- Any bytes as one line, and back.

local lines = {}

local escapes = { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }
local meanings = { ["\\"] = "\\", n = "\n", r = "\r" }

---@param text string
---@return string  without line ends
function lines.escape(text)
	return (text:gsub("[\\\n\r]", escapes))
end

---@param text string  another letter behind a backslash stays as it is
---@return string
function lines.unescape(text)
	return (text:gsub("\\(.)", meanings))
end

return lines
