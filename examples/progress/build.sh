#!/bin/sh
# A build that tells the browser how far it is, by POST /emit: plain sh and curl.
#
#   SECRET=mysecret ./build.sh                                        a build that only looks like one
#   SECRET=mysecret ./build.sh 'go vet ./... # look' 'go test ./...'  your own: each argument is a step, with its name as a comment
#
# SECRET is the emit secret; URL (http://localhost:8899) is ws-emit, ROOM
# (build) the room. The exit status is that of the step that failed, or 0.
# Whether anybody looks, or ws-emit is there at all, makes no difference to the
# build. A signal ends the step, and the page is told that the build has failed.
set -u
url=${URL:-http://localhost:8899}
url=${url%/}
room=${ROOM:-build}
secret=${SECRET:-}
build=$$-$(date +%s) # pages begin anew when they see another one

if [ $# -eq 0 ]; then
  set -- \
    'for f in ink paper glue; do echo "fetch $f"; sleep 1; done # fetch' \
    'for n in 1 2 3 4 5 6; do echo "print page $n"; sleep 1; done # print' \
    'echo "looks straight"; sleep 2 # look at it' \
    'echo "bound"; sleep 1 # bind'
fi

# json TEXT: TEXT as a JSON string, without control characters (colours of a
# terminal) and without what is not UTF-8.
json() {
  printf '"%s"' "$(printf '%s' "$1" | tr '\t' ' ' | tr -d '\000-\037\177' | cut -c 1-2000 | iconv -c -f UTF-8 -t UTF-8 | sed 's/[\\"]/\\&/g')"
}

# tell STATE [LINE]: emits where the build is. The body goes through a pipe: a
# command line, which is visible to others, has no secret on it. Only 200 will
# do: what redirects has not taken it.
tell() {
  answer=$(
    printf '{"secret":%s,"event":"progress","room":%s,"data":{"build":"%s","state":"%s","percent":%d,"step":%s%s}}' \
      "$(json "$secret")" "$(json "$room")" "$build" "$1" "$percent" "$(json "${step##*"# "}")" "${2+,\"line\":$(json "$2")}" |
      curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' \
        --header 'Content-Type: application/json' --data-binary @- "$url/emit"
  )
  if [ "$answer" != 200 ] && [ -z "${told-}" ]; then
    echo "build.sh: the page is not told (is ws-emit at $url, with the same SECRET?); the build goes on" >&2
    told=no
  fi
}

# show: shows and emits the lines of a step. It ends at TERM, but not between
# emitting a line and the answer: what is emitted next is the last.
show() {
  trap exit TERM
  while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n' "$line"
    tell running "$line"
  done
}

# run: runs the step and sets status. It runs in the background, as a shell
# takes no signal while it waits for a program in the foreground. With setsid,
# where there is one, the signal reaches all that the step has started.
run() {
  show <"$lines" &
  shower=$!
  $setsid sh -c "$step" >"$lines" 2>&1 </dev/null &
  pid=$!
  wait "$pid"
  status=$?
  wait "$shower"
  pid=
}

# end SIGNAL: sends it to the step.
end() {
  kill -s "$1" -- "-$pid" 2>/dev/null || kill -s "$1" "$pid" 2>/dev/null
}

# stop STATUS: ends the step, shows its last lines, and ends the build. A second
# signal kills the step.
stop() {
  if [ -n "$pid" ]; then
    trap 'end KILL; kill -s TERM "$shower"' HUP INT TERM
    end TERM
    if [ -z "$setsid" ]; then # what it has started may go on
      wait "$pid"
      kill -s TERM "$shower"
    fi
    wait "$shower"
    wait "$shower" # again, where a signal has ended that
  fi
  trap '' HUP INT TERM
  tell failed stopped
  exit "$1"
}

dir=$(mktemp -d) || exit
trap 'rm -r "$dir"' EXIT
lines=$dir/lines
mkfifo "$lines" || exit
setsid=
if command -v setsid >/dev/null; then setsid=setsid; fi
all=$#
done=0
percent=0
step=$1
pid=
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM
for step; do
  percent=$((100 * done / all))
  tell running
  run
  if [ "$status" -ne 0 ]; then
    tell failed "failed with exit status $status"
    exit "$status"
  fi
  done=$((done + 1))
done
percent=100
tell 'done'
