# shellcheck shell=bash
# Shared by run, test, bench and everything in tools/: where things are, how to speak, how to fail.
# Sourced, never run. Everything installed for this checkout lives in .tools (git ignores it).

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS="${BAILIWICK_TOOLS:-$ROOT/.tools}"
export ROOT TOOLS
export PATH="$TOOLS/bin:$PATH"

say() {
  if [ -t 2 ]; then printf '\033[1m==> %s\033[0m\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi
}
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# The directory cargo builds into, for the shell scripts that start what cargo built.
target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$ROOT/target}"; }

# port_open PORT: somebody listens on 127.0.0.1:PORT.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: a port of 127.0.0.1 nobody listens on now. Another program can still take it before
# the caller does, so callers retry with a new one when their bind fails.
free_port() {
  local port
  for _ in {1..200}; do
    port=$((20000 + RANDOM % 12000))
    if ! port_open "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  die "no free port between 20000 and 32000 on 127.0.0.1; stop what holds them"
}

# memory_folder: where temporary files of tests are quickest: in memory where there are 4 GiB to spare, else on disk.
memory_folder() {
  local room
  room=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1 || echo 0)
  if [ "${room:-0}" -ge 4096 ] && [ -w /dev/shm ]; then echo /dev/shm; else echo /tmp; fi
}

# as_root CMD…: runs it as root, through sudo when need be.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}
