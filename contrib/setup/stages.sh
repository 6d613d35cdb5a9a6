#!/usr/bin/env bash
# stages.sh TARGET...: makes each target, all of them even when one fails, and
# says how long each took.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

failed=()
for stage in "$@"; do
  began=$SECONDS
  say "" "== make $stage"
  if "${MAKE:-make}" --no-print-directory "$stage"; then
    say "== make $stage: ok, $((SECONDS - began)) s"
  else
    say "== make $stage: FAILED, $((SECONDS - began)) s"
    failed+=("$stage")
  fi
done
say ""
if [ ${#failed[@]} -gt 0 ]; then
  say "FAILED: ${failed[*]} (of $*; $SECONDS s)"
  exit 1
fi
say "all passed: $* ($SECONDS s)"
