#!/usr/bin/env bash
# AWS's DynamoDB Local as a plain process on loopback, for tests. README.md has the facts.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'USAGE'
usage: dynamodb.sh start --dir DIR [options]    returns when the server answers
       dynamodb.sh stop --dir DIR               SIGTERM
       dynamodb.sh kill --dir DIR               kill -9
       dynamodb.sh pause|resume --dir DIR       SIGSTOP, SIGCONT
       dynamodb.sh fetch                        only fills the jar cache

DIR holds the server's log, its pid and, with --storage disk, its data.

  --address 127.0.0.1     address to listen on, in 127.0.0.0/8
  --port 8000
  --storage memory|disk   disk: the same start on DIR again finds the tables; default: memory
  --heap 512M             maximum heap
  --timeout 60            seconds to wait for the answer

Every client sees the same tables, whatever its region and credentials (any that are not empty).
ANNALS_SERVERS_CACHE      where the jars are kept; default ~/.cache/annals-servers
USAGE
}

# An unsigned request gets an error in DynamoDB's own words.
answers_http() {
  exec 3<>"/dev/tcp/$address/$port" || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  local reply
  reply=$(timeout 5 cat <&3)
  exec 3>&-
  [[ $reply == *MissingAuthenticationToken* ]]
}

fetch() {
  fetch_jars "$name" pom-dynamodb.xml -- "${java_bin}javac" -cp '*' -d . "$here/DynamoDbOnAddress.java"
}

start() {
  check_loopback "$address"
  check_java_17
  if running_pid >/dev/null; then die "already running in $dir"; fi
  check_free "$address" "$port"
  fetch
  local tables=(-inMemory)
  case $storage in
    memory) ;;
    disk) mkdir -p "$dir/data" && tables=(-dbPath "$dir/data") ;;
    *) die "--storage is memory or disk, not '$storage'" ;;
  esac
  launch -Xms64M "-Xmx$heap" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
    -cp "$cache/$name:$cache/$name/*" DynamoDbOnAddress "$address" \
    -port "$port" -sharedDb -disableTelemetry "${tables[@]}"
  await_answer "$timeout" answers_http
  echo "dynamodb local $version answers on http://$address:$port (pid $(cat "$dir/pid"), log $dir/log)"
}

command=${1:-}
shift || true
address=127.0.0.1 port=8000 storage=memory heap=512M timeout=60
while (($#)); do
  (($# > 1)) || die "$1 wants a value"
  case $1 in
    --dir) dir=$2 ;;
    --address) address=$2 ;;
    --port) port=$2 ;;
    --storage) storage=$2 ;;
    --heap) heap=$2 ;;
    --timeout) timeout=$2 ;;
    *) usage >&2 && die "unknown option '$1'" ;;
  esac
  shift 2
done
version=$(sed -n 's:.*<dynamodb-local.version>\(.*\)</.*:\1:p' "$here/pom-dynamodb.xml")
name=dynamodb-local-$version

case $command in
  start | stop | kill | pause | resume) enter_dir "$command" ;;
esac
case $command in
  start) start ;;
  stop) end_server TERM 30 ;;
  kill) end_server KILL 10 ;;
  pause) signal_server STOP ;;
  resume) signal_server CONT ;;
  fetch) fetch ;;
  *) usage >&2 && exit 2 ;;
esac
