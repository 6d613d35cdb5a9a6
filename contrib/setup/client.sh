#!/usr/bin/env bash
# Puts the stock browser client where the server's build embeds it from
# (server/client). It is the npm package socket.io-client at the version and
# hash of contrib/setup/client/package-lock.json, unchanged, and is never
# committed. Without npm, or without a network, the build goes on: the server
# then answers 404 for the client and says how to get it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

from=contrib/setup/client
dist=$from/node_modules/socket.io-client/dist
if ! have npm; then
  say "browser client: npm is not installed, so the server is built without it"
  exit 0
fi
if ! packages "$from"; then
  say "browser client: npm could not get it (see its words above), so the server is built without it"
  exit 0
fi
# All that the reference server serves: the plain, minified, module and msgpack
# builds, and their maps. What is equal keeps its time, so that the go command
# does not build again.
for file in "$dist"/socket.io*.js "$dist"/socket.io*.js.map; do
  cmp -s "$file" "server/client/${file##*/}" || cp "$file" server/client/
done
say "browser client: socket.io-client $(node -p "require('./$from/node_modules/socket.io-client/package.json').version") in server/client"
