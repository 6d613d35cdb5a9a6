#!/usr/bin/env bash
# Runs the server and the time example until Ctrl-C, and says what to look at.
# The programs are those of bin/, which the Makefile builds before.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

port=${PORT:-8899}
page=${PAGE_PORT:-7788}
# Both programs take the secret from the environment: a command line can be
# read by everybody on the machine.
export SECRET=${SECRET:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}

# With job control each program has a process group of its own, so Ctrl-C
# reaches this script only. The programs then get one signal each: a second one
# would end the server at once instead of in good order.
set -m
pids=()
stop() {
  trap - INT TERM EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

# up PID PORT: waits until the program listens there, or has ended.
up() {
  until (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; do
    kill -0 "$1" 2>/dev/null || exit 1
    sleep 0.1
  done
}

# Somebody else's server on the port would look like ours.
for p in "$port" "$page"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
    say "port $p is in use; make run PORT=... PAGE_PORT=... takes others" >&2
    exit 1
  fi
done

bin/ws-emit --address ":$port" --redis none --cors "http://localhost:$page" &
pids+=($!)
up $! "$port"
bin/time --address ":$page" --url "http://localhost:$port" &
pids+=($!)
up $! "$page"

say "" \
  "  page    http://localhost:$page     open it in a browser" \
  "  server  http://localhost:$port" \
  "" \
  "  This changes what the page shows:" \
  "" \
  "    curl http://localhost:$port/emit -H 'Authorization: Bearer $SECRET' \\" \
  "      -H 'Content-Type: application/json' \\" \
  "      -d '{\"event\":\"message\",\"room\":\"time\",\"data\":{\"text\":\"hello from curl\"}}'" \
  "" \
  "  Ctrl-C ends both." \
  ""

# wait lets go at once when a signal comes; sleep by itself would not.
while kill -0 "${pids[0]}" 2>/dev/null && kill -0 "${pids[1]}" 2>/dev/null; do
  sleep 1 &
  wait $!
done
say "a program has ended by itself" >&2
exit 1
