#!/bin/sh
# A build that tells the browser how far it is, by POST /emit: plain sh and curl.
#
#   SECRET=mysecret ./build.sh                                        a build that only looks like one
#   SECRET=mysecret ./build.sh 'go vet ./... # look' 'go test ./...'  your own: each argument is a step, with its name as a comment
#
# SECRET is the emit secret; URL (http://localhost:8899) is ws-emit, ROOM
# (build) the room. The exit status is that of the step that failed, or 0.
# Whether anybody looks, or ws-emit is there at all, makes no difference to the
# build.
set -u
url=${URL:-http://localhost:8899}
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
# command line, which is visible to others, has no secret on it.
tell() {
  if ! printf '{"secret":%s,"event":"progress","room":%s,"data":{"build":"%s","state":"%s","percent":%d,"step":%s%s}}' \
    "$(json "$secret")" "$(json "$room")" "$build" "$1" "$percent" "$(json "${step##*"# "}")" "${2+,\"line\":$(json "$2")}" |
    curl --silent --fail --max-time 5 --output /dev/null \
      --header 'Content-Type: application/json' --data-binary @- "$url/emit" && [ -z "${told-}" ]; then
    echo "build.sh: the page is not told (is ws-emit at $url, with the same SECRET?); the build goes on" >&2
    told=no
  fi
}

# run: runs the step, shows and emits its lines, and sets status. The inner
# braces are a pipeline that cannot set variables here, so the status comes out
# of it through descriptor 3; what it prints goes to descriptor 4.
run() {
  status=$({ { sh -c "$step" 2>&1 </dev/null 3>&- 4>&-; echo $? >&3; } | {
    while IFS= read -r line || [ -n "$line" ]; do
      printf '%s\n' "$line" >&4
      tell running "$line"
    done
  }; } 3>&1 >&4)
}

exec 4>&1
all=$#
done=0
percent=0
step=$1
trap 'tell failed "stopped"; exit 130' INT TERM
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
