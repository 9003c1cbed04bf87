#!/usr/bin/env bash
# PyPI's scim2-server, the peer of bench line 11: one process of Python, everything in its memory.
#   bench-peers/scim2-server.sh install
#   bench-peers/scim2-server.sh serve [--core N]
#       runs until its standard input closes; prints one line of JSON when it answers: {"url": …}
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/lib.sh"
# shellcheck source=bench-peers/lib.sh
. "$ROOT/bench-peers/lib.sh"

pid=
# shellcheck disable=SC2317 # called by the trap
halt() { [ -z "$pid" ] || kill "$pid" 2>/dev/null || true; }

serve() {
  local core=0 folder port
  while [ $# -gt 1 ]; do
    case "$1" in
      --core) core=$2 ;;
      *) die "unknown option \`$1\`" ;;
    esac
    shift 2
  done
  folder=$(pip_peer scim2-server)
  port=$(free_port)
  trap halt EXIT
  taskset -c "$core" "$folder/bin/python" "$ROOT/bench-peers/scim2-server/serve.py" "$port" >&2 </dev/null &
  pid=$!
  await_http "http://127.0.0.1:$port/v2/ServiceProviderConfig" "$pid"
  printf '{"url":"http://127.0.0.1:%s"}\n' "$port"
  cat >/dev/null # until whoever started this closes our input
}

case "${1:-}" in
  install) pip_peer scim2-server >/dev/null ;;
  serve) shift && serve "$@" ;;
  *) die "say install or serve" ;;
esac
