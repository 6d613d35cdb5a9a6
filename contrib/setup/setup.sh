#!/usr/bin/env bash
# Installs what the tests need where it is missing, and says what it did.
# Programs come from apt-get, packages from their own managers, all of them
# pinned: package-lock.json, requirements.txt, the version below. A browser is
# never downloaded; the tests drive the system's Chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

STATICCHECK=0.8.1  # released as 2026.2.1

# wanted TEST PACKAGE...: has the packages installed unless the test, a command,
# says that what they hold is there.
missing=()
wanted() {
  local test=$1
  shift
  eval "$test" >/dev/null 2>&1 || missing+=("$@")
}
wanted 'have redis-server && have redis-cli' redis-server redis-tools
wanted 'have curl' curl
wanted 'have node' nodejs
wanted 'have npm' npm
wanted 'python3 -c "import venv, ensurepip"' python3-venv
wanted '[ -n "${CHROMIUM:-}" ] || have chromium || have chromium-browser' chromium
wanted 'have cc' gcc libc6-dev  # the race detector links with it
wanted 'have groff' groff-base
# Debian's package starts a server on port 80, so only where nobody minds.
[ -z "${CI:-}" ] || wanted 'have nginx' nginx-light
# The publishers that Debian has. Its Python packages are for its own Python.
wanted '/usr/bin/python3 -c "import flask_socketio, redis, socketio"' python3-flask-socketio python3-redis python3-socketio
wanted 'php -r "exit(extension_loaded(\"redis\") && extension_loaded(\"msgpack\") ? 0 : 1);"' php-cli php-redis php-msgpack
wanted 'ruby -r redis -r msgpack -e ""' ruby ruby-redis ruby-msgpack
wanted 'perl -MRedis -MData::MessagePack -e 1' libredis-perl libdata-messagepack-perl

if [ ${#missing[@]} -eq 0 ]; then
  say "programs: all there (redis-server, curl, node, npm, python3, chromium, cc, groff, php, ruby, perl, and Debian's python3-socketio)"
else
  say "programs: installing ${missing[*]}"
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo -n)
  if have apt-get && { [ ${#root[@]} -eq 0 ] || have sudo; } &&
    "${root[@]}" apt-get -qq update &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null; then
    say "programs: installed"
  else
    cannot "install ${missing[*]}: it takes apt-get, and root or sudo. Install them by other means; until then the tests that need them do not run."
  fi
fi

if have node && [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then
  cannot "use node $(node --version): the tests need version 18 or newer."
elif have npm; then
  for folder in contrib/interop/node contrib/interop/node-publishers; do
    packages "$folder" || cannot "install the packages of $folder: see npm's words above."
  done
fi

if have python3; then
  for folder in contrib/interop/python contrib/interop/python-5.13; do
    environment "$folder" || cannot "install the packages of $folder: see pip's words above."
  done
fi

if [ "$(bin/tools/staticcheck -version 2>/dev/null)" = "$(printf 'staticcheck %s' "2026.2.1 ($STATICCHECK)")" ]; then
  say "staticcheck: $STATICCHECK is there"
elif GOBIN="$PWD/bin/tools" go install "honnef.co/go/tools/cmd/staticcheck@v$STATICCHECK"; then
  say "staticcheck: installed $STATICCHECK into bin/tools"
else
  cannot "install staticcheck $STATICCHECK: see the go command's words above."
fi
