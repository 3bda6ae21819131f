#!/bin/sh
# Starts the three nodes of this example and ends with them:
#
#     examples/harbor/start.sh [path of welkin]
#
# The node with the master must be there first, so the two others wait for its word.

welkin=${1:-welkin}
cd "$(dirname "$0")/../.." || exit 1

"$welkin" examples/harbor/board.config | while read -r line; do
	echo "$line"
	case $line in
	*"the board is open")
		"$welkin" examples/harbor/alice.config &
		"$welkin" examples/harbor/bob.config &
		;;
	esac
done
