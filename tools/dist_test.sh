#!/bin/sh
# Test with several processes on one machine or a few.
TOOLS=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
. "$TOOLS/lib.sh"

usage() {
    cat <<'TEXT'
usage: sh tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]

GPUS is the number of processes on this machine; without GPUs they use CPUs.
Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (needed if NNODES > 1),
PORT (a free one on a single machine, else 29500), PYTHON (python).
TEXT
}

case ${1-} in
    -h | --help) usage && exit ;;
    '') usage >&2 && exit 2 ;;
esac
[ $# -ge 3 ] ||
    die "something is missing: sh tools/dist_test.sh CONFIG CHECKPOINT GPUS"
config=$1 checkpoint=$2 gpus=$3
shift 3
need_config "$config"
need_checkpoint "$checkpoint"
run_torchrun "$gpus" "$TOOLS/test.py" "$config" "$checkpoint" \
    --launcher pytorch "$@"
