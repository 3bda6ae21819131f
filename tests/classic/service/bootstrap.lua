-- First service of a node that runs on the tests' own framework: it starts the program, and that is all.

local core = require "skynet.core"

core.command("LAUNCH", "snlua " .. core.command("GETENV", "start"))
core.command "EXIT"
