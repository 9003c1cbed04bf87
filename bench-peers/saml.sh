#!/usr/bin/env bash
# The peers of bench line 6, python3-saml from PyPI and samlify from npm, and the documents that everybody verifies, which
# xmlsec signs: none of ours.
#   bench-peers/saml.sh install
#   bench-peers/saml.sh make FOLDER                       settings.json, genuine/*.xml, forged/*.xml, with a new key
#   bench-peers/saml.sh python3-saml FOLDER MILLIS        verifies them for so long and prints one JSON object
#   bench-peers/saml.sh samlify FOLDER MILLIS             the same
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/lib.sh"
# shellcheck source=bench-peers/lib.sh
. "$ROOT/bench-peers/lib.sh"

case "${1:-}" in
  install)
    "$ROOT/tools/provision.sh" openssl >&2
    pip_peer saml >/dev/null
    npm_peer samlify >/dev/null
    ;;
  make) exec "$(pip_peer saml)/bin/python" "$ROOT/bench-peers/saml/make.py" "${2:?say into which folder}" ;;
  python3-saml) exec "$(pip_peer saml)/bin/python" "$ROOT/bench-peers/saml/verify.py" "${2:?say which folder}" "${3:?say how long}" ;;
  samlify)
    folder=$(npm_peer samlify)
    NODE_ENV=production exec node "$folder/verify.mjs" "${2:?say which folder}" "${3:?say how long}"
    ;;
  *) die "say install, make, python3-saml or samlify" ;;
esac
