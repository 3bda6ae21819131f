#!/bin/sh
# Starts the two nodes of this example and ends with them:
#
#     examples/cluster/start.sh [path of welkin]

welkin=${1:-welkin}
cd "$(dirname "$0")/../.." || exit 1

"$welkin" examples/cluster/bank.config | while read -r line; do
	echo "bank $line"
	case $line in
	*"the bank is open")
		"$welkin" examples/cluster/shop.config | sed "s/^/shop /" &
		;;
	esac
done
wait
