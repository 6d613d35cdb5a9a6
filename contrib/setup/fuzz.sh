#!/usr/bin/env bash
# fuzz.sh TIME: fuzzes each target of the tree for that long (such as 5s). The
# seeds alone run with every go test. An input that fails is written below
# testdata/fuzz of the package, where go test finds it from then on: commit it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

time=$1
failed=0
while IFS=: read -r file target; do
  target=${target#func }
  target=${target%%(*}
  dir=$(dirname "$file")
  if out=$(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -timeout 10m . 2>&1); then
    say "ok    $dir $target: $(printf '%s\n' "$out" | grep -o 'execs: [0-9]*' | tail -n 1)"
  else
    say "FAIL  $dir $target" "$out"
    failed=1
  fi
done < <(grep -rno --include='*_test.go' --exclude-dir=node_modules --exclude-dir=.git '^func Fuzz[A-Za-z0-9_]*(' . | sed 's/:[0-9]*:/:/' | sort)
exit $failed
