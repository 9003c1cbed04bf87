# shellcheck shell=bash
# Shared by the peers' scripts, sourced after tools/lib.sh: packages of npm and PyPI, pinned by what is committed beside
# them and installed into .tools.

# npm_peer NAME: prints a folder that holds bench-peers/NAME with exactly what its lock file says.
npm_peer() {
  local from="$ROOT/bench-peers/$1" to="$TOOLS/bench-$1" digest
  digest=$(cat "$from"/* | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$to/.stamp" 2>/dev/null)" != "$digest" ]; then
    "$ROOT/tools/provision.sh" node >&2
    say "installing the peer $1 from npm"
    rm -rf "$to"
    mkdir -p "$to"
    cp "$from"/* "$to"
    (cd "$to" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
      die "npm ci failed for the peer $1; check the network and the npm registry setting"
    echo "$digest" >"$to/.stamp"
  fi
  printf '%s\n' "$to"
}

# pip_peer NAME: prints a folder with a Python environment that holds exactly what bench-peers/NAME/requirements.txt pins.
pip_peer() {
  local pins="$ROOT/bench-peers/$1/requirements.txt" to="$TOOLS/venv/bench-$1" digest
  digest=$(sha256sum "$pins" | cut -d' ' -f1)
  if [ "$(cat "$to/.stamp" 2>/dev/null)" != "$digest" ]; then
    have python3 || die "the peer $1 needs Python 3; install it and run again"
    say "installing the peer $1 from PyPI"
    rm -rf "$to"
    python3 -m venv "$to" || die "\`python3 -m venv\` failed; install python3-venv and run again"
    "$to/bin/pip" install --quiet --no-deps --disable-pip-version-check --requirement "$pins" >&2 ||
      die "pip could not install what bench-peers/$1/requirements.txt pins; check the network and pip's index setting"
    echo "$digest" >"$to/.stamp"
  fi
  printf '%s\n' "$to"
}

# await_http URL PID: until the server of this process answers there.
await_http() {
  local _
  for _ in {1..600}; do
    kill -0 "$2" 2>/dev/null || die "the peer ended before it answered; its message is above"
    if curl --silent --output /dev/null --max-time 2 "$1"; then return; fi
    sleep 0.1
  done
  die "the peer did not answer at $1 within a minute"
}
