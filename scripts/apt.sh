#!/usr/bin/env bash
# apt.sh update | apt.sh PACKAGE...: asks apt-get, as root or through sudo; refreshes the package lists when they are
# missing or too old to name a file that is still there.
set -euo pipefail

say() { echo "apt: $*" >&2; }
command -v apt-get >/dev/null || { say "no apt-get here: install by your system's means: $*"; exit 1; }
root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { say "needs root: apt-get install $*"; exit 1; }
  root=(sudo)
fi
update() { "${root[@]}" apt-get -qq update >&2; }
install() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >&2
}

if [ "${1:-}" = update ]; then update; exit; fi
say "installing $*"
install "$@" || { update; install "$@"; }
