#!/bin/sh
# Starts a node of this machine: start.sh NODE. It stays in the foreground and so is the node.
exec "${WELKIN:-welkin}" "config.$1"
