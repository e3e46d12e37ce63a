#!/usr/bin/env bash
# Installs Slurm, its accounting, a database, and `ip` for networks of their own, for the tests of clusters, unless they are present (Debian
# and Ubuntu). The tests start their own; the packages' own services are not started.
set -euo pipefail
cd "$(dirname "$0")/.."

needed=(slurmctld slurmd slurmdbd sbatch munged mariadbd mariadb-install-db ip)
missing=()
for program in "${needed[@]}"; do
  command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0
# A package asks this file whether it may start its service.
if [ "$(id -u)" = 0 ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
scripts/apt.sh slurm-wlm slurmdbd munge mariadb-server iproute2
