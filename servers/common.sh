# Shared by cassandra.sh and dynamodb.sh: the jar cache, and starting and ending a detached JVM.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ANNALS_SERVERS_CACHE:-$HOME/.cache/annals-servers}
java_bin=${JAVA_HOME:+$JAVA_HOME/bin/}
dir='' # the server's folder, from --dir

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Checks --dir and makes its path absolute; only a start makes a folder.
enter_dir() {
  [[ -n $dir ]] || die "--dir is missing"
  [[ $1 != start ]] || mkdir -p "$dir"
  dir=$(cd "$dir" 2>/dev/null && pwd) || die "--dir: there is no such folder"
}

# These servers ask for no password, so they listen on loopback only.
check_loopback() {
  [[ $1 =~ ^127(\.[0-9]{1,3}){3}$ ]] || die "--address must lie in 127.0.0.0/8, not '$1'"
}

check_java_17() {
  command -v "${java_bin}java" >/dev/null || die "no java: install a JDK 17 or set JAVA_HOME"
  local version
  version=$("${java_bin}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [[ $version == 17 ]] || die "needs a JDK 17; ${java_bin}java is version ${version:-unknown}"
}

# check_free ADDRESS PORT
check_free() {
  if (: <"/dev/tcp/$1/$2") 2>/dev/null; then die "$1:$2 is in use by another process"; fi
}

# fetch_jars NAME POM [MVN-ARGUMENT...] [-- COMMAND...]: copies the POM's dependencies to
# $cache/NAME and runs the command there, once. The folder appears whole or not at all.
fetch_jars() {
  local name=$1 pom=$2 lib=$cache/$1 arguments=()
  shift 2
  while (($#)) && [[ $1 != -- ]]; do
    arguments+=("$1")
    shift
  done
  [[ ${1:-} == -- ]] && shift
  [[ -d $lib ]] && return
  command -v mvn >/dev/null || die "no mvn: the first start needs Maven to fetch $name"
  mkdir -p "$cache"
  (
    flock 9
    [[ -d $lib ]] && exit
    echo "fetching $name into $cache, once" >&2
    rm -rf "$lib.partial"
    mvn -q -B -f "$here/$pom" dependency:copy-dependencies \
      -DoutputDirectory="$lib.partial" "${arguments[@]}" >&2 || exit
    (($# == 0)) || (cd "$lib.partial" && "$@" >&2) || exit
    mv "$lib.partial" "$lib"
  ) 9>"$cache/lock" || die "could not fetch $name"
}

# The pid of the server in $dir, if it runs. Its command line names $dir, so that another process
# that was given a dead server's pid is never taken for it.
running_pid() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "-Dannals.server.dir=$dir" || return 1
  echo "$pid"
}

# launch JAVA-ARGUMENT...: starts a JVM that outlives this script and its terminal.
launch() {
  setsid "${java_bin}java" "-Dannals.server.dir=$dir" "$@" >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
}

# await_answer SECONDS PROBE...: returns when the probe succeeds. Fails when the server ends or the
# time is up, and shows the end of its log.
await_answer() {
  local deadline=$((SECONDS + $1))
  shift
  sleep 0.2
  until "$@" 2>/dev/null; do
    if ! running_pid >/dev/null; then
      tail -n 20 "$dir/log" >&2
      die "the server ended while starting; its log is $dir/log"
    fi
    if ((SECONDS >= deadline)); then
      tail -n 20 "$dir/log" >&2
      die "the server has not answered in time and was left running; its log is $dir/log"
    fi
    sleep 0.1
  done
}

# Whether a process still holds its files and ports. Its command line is gone earlier than those, and a
# zombie, which nobody may reap in a container, has neither, unless threads beside its first one still die.
lingers() {
  local status threads
  status=$(cat "/proc/$1/status" 2>/dev/null) || return 1
  threads=("/proc/$1/task/"*)
  [[ $status != *State:$'\t'Z* ]] || ((${#threads[@]} > 1))
}

# end_server SIGNAL SECONDS: sends the signal and waits until the process is gone.
end_server() {
  local pid deadline=$((SECONDS + $2))
  if pid=$(running_pid); then
    kill "-$1" "$pid"
    while lingers "$pid"; do
      ((SECONDS < deadline)) || die "process $pid has not ended within $2 s"
      sleep 0.1
    done
  fi
  rm -f "$dir/pid"
}

# signal_server SIGNAL: sends the signal to the server, which must be running.
signal_server() {
  local pid
  pid=$(running_pid) || die "no server runs in $dir"
  kill "-$1" "$pid"
}
