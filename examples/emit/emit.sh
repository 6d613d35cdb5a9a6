#!/bin/sh
# The secret goes in by standard input: command lines can be read by everybody
# on the machine.
printf 'Authorization: Bearer %s' "$SECRET" |
  curl --fail-with-body --silent --show-error -H @- -H 'Content-Type: application/json' \
    -d '{"event": "update", "room": "news", "data": {"title": "Grüße from curl"}}' \
    "${WS_EMIT_URL:-http://localhost:8899/emit}"
