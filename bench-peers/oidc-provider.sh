#!/usr/bin/env bash
# npm's oidc-provider, the peer of bench lines 2 and 3: one process of Node, everything in its memory.
#   bench-peers/oidc-provider.sh install
#   bench-peers/oidc-provider.sh serve [--clients N] [--tokens jwt|opaque] [--core N]
#       runs until its standard input closes; prints one line of JSON when it answers: {"url": …}
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/lib.sh"
# shellcheck source=bench-peers/lib.sh
. "$ROOT/bench-peers/lib.sh"

serve() {
  local clients=1000 tokens=jwt core=0 folder
  while [ $# -gt 1 ]; do
    case "$1" in
      --clients) clients=$2 ;;
      --tokens) tokens=$2 ;;
      --core) core=$2 ;;
      *) die "unknown option \`$1\`" ;;
    esac
    shift 2
  done
  folder=$(npm_peer oidc-provider)
  cd "$folder"
  NODE_ENV=production exec taskset -c "$core" node server.mjs "$clients" "$tokens"
}

case "${1:-}" in
  install) npm_peer oidc-provider >/dev/null ;;
  serve) shift && serve "$@" ;;
  *) die "say install or serve" ;;
esac
