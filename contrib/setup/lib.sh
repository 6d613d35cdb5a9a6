# Sourced by the scripts of this folder, which run from the top of the
# repository.

say() { printf "%s\n" "$@"; }

have() { command -v "$1" >/dev/null 2>&1; }

# cannot says that a part of the tests will not run, and why. In CI nothing is
# left out: there it ends the run.
cannot() {
  say "cannot: $*" >&2
  if [ -n "${CI:-}" ]; then exit 1; fi
}

# packages FOLDER: npm packages from the lock file, unless they are there. No
# package runs a script of its own at installation. Without a network npm would
# try for more than a minute; one more try is enough.
packages() {
  local lock=$1/package-lock.json stamp=$1/node_modules/.installed-from
  if cmp -s "$lock" "$stamp"; then
    say "$1: node packages are there"
    return 0
  fi
  say "$1: installing node packages from the lock file"
  (cd "$1" && npm ci --ignore-scripts --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=2000 >/dev/null) || return 1
  cp "$lock" "$stamp"
}

# environment FOLDER: Python packages in FOLDER/.venv, from its requirements.txt,
# unless they are there.
environment() {
  local wanted=$1/requirements.txt venv=$1/.venv
  if cmp -s "$wanted" "$venv/.installed-from"; then
    say "$1: python packages are there"
    return 0
  fi
  say "$1: installing python packages"
  python3 -m venv --clear "$venv" || return 1
  "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes --no-deps --only-binary :all: -r "$wanted" || return 1
  cp "$wanted" "$venv/.installed-from"
}
