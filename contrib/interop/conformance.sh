#!/usr/bin/env bash
# Runs the public test suites of the Engine.IO 4 and Socket.IO 5 protocols
# against contrib/conformance. They belong to the socketio/socket.io repository
# and are not copied into this one: SUITES names a folder that has them, at
# docs/engine.io-protocol/v4-test-suite and docs/socket.io-protocol/v5-test-suite,
# with the packages that they need installed. PROGRAM is the server.
# Where SUITES is not given the tests of this folder stand alone; they have a
# test for each behaviour in the suites.
set -euo pipefail

if [ -z "${SUITES:-}" ]; then
  echo "public protocol suites: SUITES is not set, so only our own tests ran"
  exit 0
fi
for suite in engine.io-protocol/v4-test-suite socket.io-protocol/v5-test-suite; do
  if [ ! -d "$SUITES/docs/$suite/node_modules" ]; then
    echo "$SUITES/docs/$suite has no node_modules: install what the suite needs there" >&2
    exit 1
  fi
done
# The suites have the port written into them. Whoever has it now would be
# tested in our place.
if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then
  echo "port 3000 is in use; the public suites need it" >&2
  exit 1
fi

"$PROGRAM" -addr :3000 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server || true' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; do
  kill -0 $server
  sleep 0.1
done

failed=0
for suite in engine.io-protocol/v4-test-suite socket.io-protocol/v5-test-suite; do
  echo "== $suite"
  (cd "$SUITES/docs/$suite" && npm test --silent) || failed=1
done
exit $failed
