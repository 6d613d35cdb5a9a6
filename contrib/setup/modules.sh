#!/usr/bin/env bash
# modules.sh COMMAND...: runs a command in each Go module of the tree, and in
# all of them even when one fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

failed=0
while IFS= read -r mod; do
  dir=$(dirname "$mod")
  (cd "$dir" && "$@") || {
    echo "(in $dir: $*)"
    failed=1
  }
done < <(find . -name go.mod -not -path '*/node_modules/*' -not -path './.git/*' | sort)
exit $failed
