#!/bin/sh
# Ends what is left of the nodes of this folder but the master's. The agent has drained them before; usually there is
# nothing left. (A machine that runs nothing else may simply say: killall welkin)
for process in /proc/[0-9]*; do
	[ "$(readlink "$process/cwd")" = "$PWD" ] || continue
	case $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") in
	*"config.master "*) ;;
	*"welkin config."*) kill "${process#/proc/}" ;;
	esac
done
exit 0
