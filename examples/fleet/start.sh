#!/bin/sh
# A whole fleet on this machine: a master, one agent, three nodes. One command starts it, Ctrl-C stops all of it:
#
#     examples/fleet/start.sh [path of welkin]
#
# The page is at WELKIN_EXAMPLE_HTTP, 127.0.0.1:7947 if that is not set.
# All it makes lies in one folder below /tmp, which it takes away at the end.

here=$(cd "$(dirname "$0")" && pwd) || exit 1
welkin=$(command -v "${1:-welkin}") || {
	echo "no program ${1:-welkin}: give its path, as target/release/welkin" >&2
	exit 2
}
case $welkin in
/*) ;;
*) welkin=$PWD/$welkin ;;
esac
work=$(mktemp -d "${TMPDIR:-/tmp}/welkin-fleet.XXXXXX") || exit 1
http=${WELKIN_EXAMPLE_HTTP:-127.0.0.1:7947}
# Where the commands of `welkin fleet` look for the master.
export WELKIN_FLEET_DIR="$work/master"

sleeper=

fleet() {
	"$welkin" fleet "$@"
}

stop() {
	trap '' INT TERM
	echo "stopping"
	fleet --timeout 30s stop all --yes >/dev/null
	fleet agent --dir "$work/agent" --end
	fleet master --dir "$work/master" --end
	[ -z "$sleeper" ] || kill "$sleeper"
	wait
	rm -rf "$work"
	exit "${1:-0}"
}
# The parts are not told of Ctrl-C by the terminal: they are stopped in order.
trap 'stop 0' INT TERM

# What is changed in the updates below.
cp -R "$here/game" "$work/v1"
cp -R "$here/game" "$work/v2"
echo 'return "2.0"' >"$work/v2/version.lua"
cp -R "$here/game" "$work/broken"
echo 'error "this version does not start"' >"$work/broken/version.lua"

mkdir "$work/agent" && cd "$work" || exit 1
# Only an agent that is root needs leave to run nodes as root.
root=
[ "$(id -u)" -ne 0 ] || root="--allow-user root"
setsid "$welkin" fleet master --dir "$work/master" --listen off --http "$http" >"$work/master.log" 2>&1 &
master=$!
# shellcheck disable=SC2086
setsid "$welkin" fleet agent --local "$work/master" --dir "$work/agent" --machine m1 $root >"$work/agent.log" 2>&1 &

tries=100
until fleet machines 2>/dev/null | grep -q '^m1 '; do
	tries=$((tries - 1))
	if [ "$tries" -eq 0 ] || ! kill -0 "$master" 2>/dev/null; then
		echo "the master or the agent did not start (another address for the page: WELKIN_EXAMPLE_HTTP=HOST:PORT):" >&2
		cat "$work/master.log" "$work/agent.log" >&2
		stop 1
	fi
	sleep 0.1
done

fleet apply "$here/fleet.toml" >/dev/null && fleet update all --release "$work/v1" --yes &&
	fleet start_all || stop 1

pid=$(fleet status scene_1 | awk 'NR == 2 { print $4 }')
cat <<TEXT

The fleet runs. In another terminal:

    export WELKIN_FLEET_DIR=$work/master
    alias welkin=$welkin

    welkin fleet status                                   the nodes with figures
    welkin fleet machines
    welkin fleet logs scene_1
    kill -9 $pid
                                                          scene_1 is back in a moment:
    welkin fleet history scene_1
    welkin fleet update all --release $work/v2 --yes      one node after the other
    welkin fleet update all --release $work/broken --yes  does not start: rolled back, status 5
    welkin fleet exec login_1 -- list                     a line to its debug console

The page: http://$http/
Ctrl-C stops everything.
TEXT
# Until the signal; a wait that a signal ends is started again.
while :; do
	sleep 3600 &
	sleeper=$!
	wait "$sleeper"
done
