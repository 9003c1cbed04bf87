#!/usr/bin/env bash
# Runs a command beside a PostgreSQL 15 of its own and removes every trace afterwards.
#   tools/with-postgres.sh [--fast] CMD…
# The command finds it under BAILIWICK_TEST_POSTGRES=postgres://… (superuser; make a database per test).
# Durable as in production; --fast gives up durability (tests whose subject is not a crash), keeps its files in memory
# where there is room, and takes passwords by MD5: tests open thousands of connections, and SCRAM costs each 4,096 hashes.
# When BAILIWICK_TEST_POSTGRES is set already, that server is used and nothing is started.
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

BIN=/usr/lib/postgresql/15/bin
fast=
if [ "${1:-}" = --fast ]; then
  fast=yes
  shift
fi
[ $# -gt 0 ] || die "say which command to run: tools/with-postgres.sh [--fast] CMD…"
if [ -n "${BAILIWICK_TEST_POSTGRES:-}" ]; then exec "$@"; fi
"$ROOT/tools/provision.sh" postgres

# PostgreSQL refuses to run as root.
as_server() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then
  id postgres >/dev/null 2>&1 || die "PostgreSQL must not run as root and there is no user \`postgres\`; run as another user"
  as_server() { setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; }
fi

auth=scram-sha-256 place="${TMPDIR:-/tmp}"
if [ -n "$fast" ]; then
  auth=md5
  [ -n "${TMPDIR:-}" ] || place=$(memory_folder)
fi
home=$(mktemp -d "$place/bailiwick-postgres.XXXXXX")
chmod 755 "$home"
if [ "$(id -u)" -eq 0 ]; then chown postgres:postgres "$home"; fi
cd "$home" # a folder the server's user can read

stop() {
  as_server "$BIN/pg_ctl" stop --silent --mode=immediate --pgdata="$home/data" >/dev/null 2>&1 || true
  cd /
  rm -rf "$home"
}
child=
# shellcheck disable=SC2317 # called by the traps
finish() {
  trap - EXIT INT TERM HUP
  if [ -n "$child" ]; then kill -TERM -- "-$child" 2>/dev/null || true; fi
  stop
}
trap finish EXIT
trap 'finish; exit 130' INT
trap 'finish; exit 143' TERM
trap 'finish; exit 129' HUP

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && printf '%s\n' "$password" >"$home/password")
if [ "$(id -u)" -eq 0 ]; then chown postgres:postgres "$home/password"; fi
as_server "$BIN/initdb" --pgdata="$home/data" --username=postgres --pwfile="$home/password" \
  --auth="$auth" --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$home/initdb.log" 2>&1 ||
  { cat "$home/initdb.log" >&2; die "initdb failed; its message is above"; }

start() {
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $1"
    echo "unix_socket_directories = ''"
    echo "max_connections = 200"
    echo "shared_buffers = 128MB"
    echo "timezone = 'UTC'"
    echo "password_encryption = '$auth'"
    if [ -n "$fast" ]; then printf '%s\n' "fsync = off" "synchronous_commit = off" "full_page_writes = off"; fi
  } | as_server tee "$home/data/postgresql.auto.conf" >/dev/null
  as_server "$BIN/pg_ctl" start --silent --wait --timeout=60 --pgdata="$home/data" --log="$home/server.log" >/dev/null 2>&1
}
started=
for _ in {1..10}; do
  port=$(free_port)
  if start "$port"; then
    started=yes
    break
  fi
  grep -q 'Address already in use' "$home/server.log" || break
done
[ -n "$started" ] || { cat "$home/server.log" >&2; die "PostgreSQL did not start; its message is above"; }

# Whoever kills this script outright (kill -9) leaves this watcher, which clears up.
(
  trap '' INT TERM HUP
  while kill -0 "$$" 2>/dev/null; do sleep 1; done
  [ ! -d "$home" ] || stop
) >/dev/null 2>&1 </dev/null &

export BAILIWICK_TEST_POSTGRES="postgres://postgres:$password@127.0.0.1:$port/postgres"
cd "$OLDPWD"
status=0
if [ -t 0 ]; then
  "$@" || status=$?
else
  # A process group of its own, so that a signal to this script ends all of the command's children too.
  set -m
  "$@" <&0 &
  child=$!
  wait "$child" || status=$?
  set +m
fi
exit "$status"
