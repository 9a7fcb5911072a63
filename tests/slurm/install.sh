#!/bin/sh
# Install what the Slurm tests need, where that can be done; else say why not
# and leave it to the tests to skip. Debian and its like, as root.
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

if have slurmctld && have slurmd && have srun && have munged; then
    exit 0
fi
if ! have apt-get; then
    echo 'Slurm: no apt-get here; install slurmctld, slurmd, srun and munged'
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo 'Slurm: not root; install slurmctld slurmd slurm-client munge yourself'
    exit 0
fi
echo 'Installing Slurm'
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends \
    slurmctld slurmd slurm-client munge; } >"$log" 2>&1; then
    tail -n 5 "$log"
    echo 'Slurm: could not be installed'
fi
rm -f "$log"
