#!/usr/bin/env bash
# apt.sh update | apt.sh PACKAGE...: runs apt-get, as root or through sudo. If an installation fails, the package lists may be
# missing or outdated, so it refreshes them and tries again.
set -euo pipefail

say() { echo "apt: $*" >&2; }
command -v apt-get >/dev/null || { say "apt-get is not available; install with your system's package manager: $*"; exit 1; }
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
