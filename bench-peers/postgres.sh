#!/usr/bin/env bash
# A PostgreSQL of its own, durable, on one core: the peer of bench line 13.
#   bench-peers/postgres.sh serve [--core N]
#       runs until its standard input closes; prints one line of JSON when it answers: {"url": …}
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/lib.sh"

case "${1:-}" in
  serve)
    core=0
    [ "${2:-}" != --core ] || core=${3:?say which core}
    exec taskset -c "$core" "$ROOT/tools/with-postgres.sh" "$ROOT/bench-peers/postgres.sh" serve-inside
    ;;
  serve-inside) # inside tools/with-postgres.sh
    printf '{"url":"%s"}\n' "$BAILIWICK_TEST_POSTGRES"
    cat >/dev/null # until whoever started this closes our input
    ;;
  *) die "say serve" ;;
esac
