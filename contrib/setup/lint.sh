#!/usr/bin/env bash
# gofmt, go vet and staticcheck for every module in the tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

failed=0
unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -not -path './.git/*' -exec gofmt -l {} +)
if [ -n "$unformatted" ]; then
  say "gofmt would change:" "$unformatted"
  failed=1
fi
contrib/setup/modules.sh go vet ./... || failed=1
if [ -x bin/tools/staticcheck ]; then
  contrib/setup/modules.sh "$PWD/bin/tools/staticcheck" ./... || failed=1
else
  cannot "run staticcheck: it is not in bin/tools; make setup installs it."
fi
exit $failed
