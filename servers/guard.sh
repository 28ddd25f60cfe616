#!/usr/bin/env bash
# guard.sh SCRIPT DIR [START-ARGUMENT...]: runs SCRIPT on DIR for each line of stdin (start, stop, kill,
# pause, resume) and answers with its output and a line `ok` or `failed`.
#
# When stdin ends it kills the server and removes DIR. The other end of that pipe is held by the process
# that wanted the server, and the kernel closes it however that process ends: so no server outlives it.
set -uo pipefail
script=$1 dir=$2
shift 2

clean_up() {
  "$BASH" "$script" kill --dir "$dir" >/dev/null 2>&1
  rm -rf "$dir"
}
trap clean_up EXIT
trap exit TERM
# Ctrl-C is for the process that is guarded against; its answer pipe may be closed already.
trap '' INT HUP PIPE

while read -r word; do
  arguments=()
  [[ $word != start ]] || arguments=("$@")
  answer=failed
  output=$("$BASH" "$script" "$word" --dir "$dir" "${arguments[@]}" 2>&1 </dev/null) && answer=ok
  printf '%s\n%s\n' "$output" "$answer" 2>/dev/null
done
