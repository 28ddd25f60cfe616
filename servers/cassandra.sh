#!/usr/bin/env bash
# One Apache Cassandra node as a plain process on loopback, for tests. README.md has the facts.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'USAGE'
usage: cassandra.sh start --dir DIR [options]    returns when the node answers CQL
       cassandra.sh stop --dir DIR               drains and ends it (SIGTERM)
       cassandra.sh kill --dir DIR               kill -9
       cassandra.sh pause|resume --dir DIR       SIGSTOP, SIGCONT
       cassandra.sh nodetool --jmx-port N -- ARGUMENT...
       cassandra.sh fetch                        only fills the jar cache

DIR holds the node's configuration, data, log and pid; the same start on it again restarts the node.

  --address 127.0.0.1    listen and CQL address; a node of a cluster needs its own (127.0.0.2, …)
  --port 9042            CQL port
  --storage-port 7000    port between nodes, the same for the whole cluster
  --seeds A[,B]          addresses of the seed nodes; default: this node
  --heap 1G              maximum heap
  --jmx-port N           JMX on this loopback port, needed by nodetool; default: no JMX
  --set KEY=VALUE        a line of cassandra.yaml; may be repeated. @DIR@ in it stands for DIR
  --timeout 120          seconds to wait for the answer

ANNALS_SERVERS_CACHE     where the jars are kept; default ~/.cache/annals-servers
ANNALS_CASSANDRA_VERSION another version of org.apache.cassandra:cassandra-all
USAGE
}

write_configuration() {
  cat >"$dir/cassandra.yaml" <<YAML
cluster_name: annals
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
num_tokens: 1
auto_bootstrap: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "$seeds"
listen_address: $address
storage_port: $storage_port
rpc_address: $address
native_transport_port: $port
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_total_space: 512MiB
file_cache_size: 64MiB
auto_snapshot: false
YAML
  local line
  for line in "${settings[@]}"; do
    [[ $line == *=* ]] || die "--set wants KEY=VALUE, not '$line'"
    sed -i "/^${line%%=*}:/d" "$dir/cassandra.yaml"
    line=${line//@DIR@/"$dir"}
    echo "${line%%=*}: ${line#*=}" >>"$dir/cassandra.yaml"
    [[ $line != client_encryption_options=* ]] || answers=listens_to_cql
  done
}

# Sends the CQL frame OPTIONS (protocol 4) and wants SUPPORTED (opcode 6) back.
answers_cql() {
  exec 3<>"/dev/tcp/$address/$port" || return 1
  printf '\x04\x00\x00\x00\x05\x00\x00\x00\x00' >&3
  local reply
  reply=$(timeout 5 head -c 5 <&3 | od -An -tx1 | tr -d ' ')
  exec 3>&-
  [[ $reply == 84000000?? && ${reply: -2} == 06 ]]
}

# For a port that takes encrypted connections only, which bash has no means to open: this start has said in
# its log that it listens, and something does.
listens_to_cql() {
  (: <"/dev/tcp/$address/$port") || return 1
  tail -c "+$((log_before + 1))" "$dir/log" | grep -q 'Starting listening for CQL clients'
}

fetch() {
  fetch_jars "$name" pom-cassandra.xml -Dcassandra.version="$version"
}

start() {
  check_loopback "$address"
  check_java_17
  if running_pid >/dev/null; then die "already running in $dir"; fi
  check_free "$address" "$port"
  check_free "$address" "$storage_port"
  fetch
  write_configuration
  local jmx=()
  [[ -n $jmx_port ]] && jmx=("-Dcassandra.jmx.local.port=$jmx_port")
  log_before=$(stat -c %s "$dir/log" 2>/dev/null || echo 0)
  launch "-javaagent:$(echo "$cache/$name"/jamm-*.jar)" "@$here/cassandra-jvm.options" \
    -Xms128M "-Xmx$heap" "${jmx[@]}" \
    "-Dlogback.configurationFile=$here/cassandra-logback.xml" \
    "-Dcassandra.config=file://$dir/cassandra.yaml" -Dcassandra-foreground=yes \
    "-Dcassandra.storagedir=$dir/data" "-Dcassandra.logdir=$dir" \
    -cp "$cache/$name/*" org.apache.cassandra.service.CassandraDaemon
  await_answer "$timeout" "$answers"
  echo "cassandra $version answers on $address:$port (pid $(cat "$dir/pid"), log $dir/log)"
}

nodetool() {
  [[ -n $jmx_port ]] || die "nodetool needs --jmx-port"
  fetch
  "${java_bin}java" "@$here/cassandra-jvm.options" -Dannals.log.level=ERROR \
    "-Dlogback.configurationFile=$here/cassandra-logback.xml" \
    -cp "$cache/$name/*" org.apache.cassandra.tools.NodeTool -p "$jmx_port" "$@"
}

command=${1:-}
shift || true
address=127.0.0.1 port=9042 storage_port=7000 seeds='' heap=1G jmx_port='' timeout=120 settings=()
answers=answers_cql log_before=0
while (($#)); do
  if [[ $1 == -- ]]; then
    shift
    break
  fi
  (($# > 1)) || die "$1 wants a value"
  case $1 in
    --dir) dir=$2 ;;
    --address) address=$2 ;;
    --port) port=$2 ;;
    --storage-port) storage_port=$2 ;;
    --seeds) seeds=$2 ;;
    --heap) heap=$2 ;;
    --jmx-port) jmx_port=$2 ;;
    --set) settings+=("$2") ;;
    --timeout) timeout=$2 ;;
    *) usage >&2 && die "unknown option '$1'" ;;
  esac
  shift 2
done
seeds=${seeds:-$address}
version=${ANNALS_CASSANDRA_VERSION:-$(sed -n 's:.*<cassandra.version>\(.*\)</.*:\1:p' "$here/pom-cassandra.xml")}
name=cassandra-$version

case $command in
  start | stop | kill | pause | resume) enter_dir "$command" ;;
esac
case $command in
  start) start ;;
  stop) end_server TERM 60 ;;
  kill) end_server KILL 10 ;;
  pause) signal_server STOP ;;
  resume) signal_server CONT ;;
  nodetool) nodetool "$@" ;;
  fetch) fetch ;;
  *) usage >&2 && exit 2 ;;
esac
