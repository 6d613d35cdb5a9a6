#!/usr/bin/env bash
# Installs what the tests need where it is missing, and says what it did.
# Programs come from apt-get, packages from their own managers, all of them
# pinned: package-lock.json, requirements.txt, the version below. A browser is
# never downloaded; the tests drive the system's Chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
. contrib/setup/lib.sh

STATICCHECK=0.8.1  # released as 2026.2.1

# What apt-get calls the programs that are missing.
missing=()
chromium=${CHROMIUM:-}
have redis-server && have redis-cli || missing+=(redis-server redis-tools)
have curl || missing+=(curl)
have node || missing+=(nodejs)
have npm || missing+=(npm)
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing+=(python3-venv)
[ -n "$chromium" ] || have chromium || have chromium-browser || missing+=(chromium)
have cc || missing+=(gcc libc6-dev)  # the race detector links with it

if [ ${#missing[@]} -eq 0 ]; then
  say "programs: all there (redis-server, curl, node, npm, python3, chromium, cc)"
else
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo -n)
  if have apt-get && { [ ${#root[@]} -eq 0 ] || have sudo; } &&
    "${root[@]}" apt-get -qq update &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null; then
    say "programs: installed ${missing[*]}"
  else
    cannot "install ${missing[*]}: it takes apt-get, and root or sudo. Install them by other means; until then the tests that need them do not run."
  fi
fi

if have node && [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  cannot "use node $(node --version): the browser tests need version 20 or newer."
elif have npm; then
  packages contrib/interop/node || cannot "install the packages of contrib/interop/node: see npm's words above."
fi

venv=contrib/interop/python/.venv
wanted=contrib/interop/python/requirements.txt
if cmp -s "$wanted" "$venv/.installed-from"; then
  say "contrib/interop/python: python packages are there"
elif have python3; then
  say "contrib/interop/python: installing python packages"
  if python3 -m venv --clear "$venv" &&
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes --no-deps --only-binary :all: -r "$wanted"; then
    cp "$wanted" "$venv/.installed-from"
  else
    cannot "install the packages of $wanted: see pip's words above."
  fi
fi

if [ "$(bin/tools/staticcheck -version 2>/dev/null)" = "$(printf 'staticcheck %s' "2026.2.1 ($STATICCHECK)")" ]; then
  say "staticcheck: $STATICCHECK is there"
elif GOBIN="$PWD/bin/tools" go install "honnef.co/go/tools/cmd/staticcheck@v$STATICCHECK"; then
  say "staticcheck: installed $STATICCHECK into bin/tools"
else
  cannot "install staticcheck $STATICCHECK: see the go command's words above."
fi
