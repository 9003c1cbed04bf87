#!/usr/bin/env bash
# Keycloak, the peer of bench lines 1 and 21, as its own guide says for production: `start --optimized`
# on PostgreSQL with fsync, sessions and login events stored, one realm imported.
#   bench-peers/keycloak.sh install
#   bench-peers/keycloak.sh serve REALM.json [--memory KIB] [--iterations N] [--server-core N] [--load-core N]
#       runs until its standard input closes; prints one line of JSON when it answers:
#       {"url": …, "pid": …, "start_ms": …}
#   bench-peers/keycloak.sh memory PID           resident memory of the Java process, in KiB
# Keycloak alone has the server's core; its PostgreSQL shares the load's core, which flatters Keycloak.
# `bailiwick-bench realm` writes REALM.json; its passwords are hashed with the same two numbers.
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/lib.sh"

VERSION=26.7.3
HOME_DIR="$TOOLS/keycloak-$VERSION"

# Keycloak runs on Java 17 or newer and is quicker on newer ones: the newest installed wins.
find_java() {
  local home version best='' best_version=16
  for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
    [ -x "$home/bin/java" ] || continue
    version=$("$home/bin/java" -XshowSettings:properties -version 2>&1 | sed -n 's/.*java.specification.version = //p')
    case "$version" in '' | *[!0-9]*) continue ;; esac
    if [ "$version" -gt "$best_version" ]; then
      best=$home
      best_version=$version
    fi
  done
  [ -n "$best" ] || die "Keycloak needs Java 17 or newer; install openjdk-17-jre-headless (or set JAVA_HOME) and run again"
  printf '%s\n' "$best"
}

install() {
  [ -e "$HOME_DIR/.built" ] && return
  have mvn || die "Keycloak comes from Maven Central and \`mvn\` is missing; install the package maven and run again"
  local archive
  archive="$(mvn -q -B help:evaluate -Dexpression=settings.localRepository -DforceStdout 2>/dev/null || true)"
  [ -d "$archive" ] || archive="$HOME/.m2/repository"
  archive="$archive/org/keycloak/keycloak-quarkus-dist/$VERSION/keycloak-quarkus-dist-$VERSION.tar.gz"
  if [ ! -e "$archive" ]; then
    say "fetching Keycloak $VERSION (176 MB)"
    mvn -q -B dependency:get "-Dartifact=org.keycloak:keycloak-quarkus-dist:$VERSION:tar.gz" -Dtransitive=false >&2 ||
      die "mvn could not fetch Keycloak $VERSION; check the network and Maven's settings"
  fi
  rm -rf "$HOME_DIR"
  mkdir -p "$HOME_DIR"
  tar --extract --gzip --file "$archive" --directory "$HOME_DIR" --strip-components=1
  say "building Keycloak's optimized form (half a minute)"
  JAVA_HOME=$(find_java) "$HOME_DIR/bin/kc.sh" build --db=postgres --cache=local --health-enabled=true >"$HOME_DIR/build.log" 2>&1 ||
    { cat "$HOME_DIR/build.log" >&2; die "Keycloak did not build; its message is above"; }
  touch "$HOME_DIR/.built"
}

# Splits postgres://USER:PASSWORD@HOST:PORT/NAME, as tools/with-postgres.sh writes it.
postgres_options() {
  local rest=${BAILIWICK_TEST_POSTGRES#postgres://}
  local credentials=${rest%%@*} place=${rest#*@}
  export KC_DB_USERNAME=${credentials%%:*} KC_DB_PASSWORD=${credentials#*:}
  export KC_DB_URL="jdbc:postgresql://$place"
}

# Not local to serve_inside: its exit trap runs after it, and needs them.
pid=
work=
halt() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
  pid=
}
clear_up() {
  halt
  [ -z "$work" ] || rm -rf "$work" "$HOME_DIR/data/import"
}

# Runs inside tools/with-postgres.sh.
serve_inside() {
  local realm=$1 memory=$2 iterations=$3 server_core=$4 load_core=$5
  local port management started
  port=$(free_port)
  management=$(free_port)
  while [ "$management" = "$port" ]; do management=$(free_port); done
  work=$(mktemp -d "${TMPDIR:-/tmp}/bailiwick-keycloak.XXXXXX")
  mkdir -p "$HOME_DIR/data/import"
  rm -f "$HOME_DIR"/data/import/*
  cp "$realm" "$HOME_DIR/data/import/bench.json"
  JAVA_HOME=$(find_java)
  export JAVA_HOME
  postgres_options
  export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin-of-a-throw-away-server
  # launch CORES OPTION…
  launch() {
    local cores=$1
    shift
    started=$(date +%s%3N)
    taskset -c "$cores" "$HOME_DIR/bin/kc.sh" start --optimized "$@" \
      --http-enabled=true --http-host=127.0.0.1 "--http-port=$port" "--http-management-port=$management" \
      --hostname-strict=false --log-level=warn \
      --spi-password-hashing--argon2--memory="$memory" \
      --spi-password-hashing--argon2--iterations="$iterations" \
      --spi-password-hashing--argon2--parallelism=1 >>"$work/log" 2>&1 </dev/null &
    pid=$!
  }
  # kc.sh stays as the parent of the Java process; it passes signals on, but its memory is not Keycloak's.
  java_of() { pgrep --parent "$1" java || die "Keycloak's start script has no Java process"; }
  await_ready() {
    local _
    for _ in {1..9000}; do
      kill -0 "$pid" 2>/dev/null || { tail -n 40 "$work/log" >&2; die "Keycloak ended before it was ready; its log is above"; }
      # The realm's own page, not only the health page: it must really answer.
      if curl --silent --fail --output /dev/null --max-time 2 "http://127.0.0.1:$port/realms/bench/.well-known/openid-configuration"; then return; fi
      sleep 0.1
    done
    die "Keycloak was not ready after 15 minutes"
  }
  trap clear_up EXIT
  # First start: schema and import, on both cores. Second start: what is measured, with warm tables and no import.
  launch "$server_core,$load_core" --import-realm
  await_ready
  halt
  launch "$server_core"
  await_ready
  printf '{"url":"http://127.0.0.1:%s","pid":%s,"start_ms":%s}\n' "$port" "$(java_of "$pid")" "$(($(date +%s%3N) - started))"
  cat >/dev/null # until whoever started this closes our input
}

serve() {
  local realm=${1:-} memory=19456 iterations=2 server_core=0 load_core=1
  [ -r "$realm" ] || die "no realm file \`$realm\`; write one with bailiwick-bench realm"
  shift
  while [ $# -gt 1 ]; do
    case "$1" in
      --memory) memory=$2 ;;
      --iterations) iterations=$2 ;;
      --server-core) server_core=$2 ;;
      --load-core) load_core=$2 ;;
      *) die "unknown option \`$1\`" ;;
    esac
    shift 2
  done
  install
  realm=$(realpath "$realm")
  exec taskset -c "$load_core" "$ROOT/tools/with-postgres.sh" "$ROOT/bench-peers/keycloak.sh" serve-inside \
    "$realm" "$memory" "$iterations" "$server_core" "$load_core"
}

case "${1:-}" in
  install) install ;;
  serve) shift && serve "$@" ;;
  serve-inside) shift && serve_inside "$@" ;;
  memory) awk '/^VmRSS:/ { print $2 }' "/proc/${2:?say whose memory}/status" ;;
  *) die "say install, serve REALM.json or memory PID" ;;
esac
