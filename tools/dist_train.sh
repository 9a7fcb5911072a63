#!/bin/sh
# Train, or search, with several processes on one machine or a few.
TOOLS=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
. "$TOOLS/lib.sh"

usage() {
    cat <<'TEXT'
usage: sh tools/dist_train.sh CONFIG GPUS [options of tools/train.py]

GPUS is the number of processes on this machine; without GPUs they use CPUs.
Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (needed if NNODES > 1),
PORT (a free one on a single machine, else 29500), PYTHON (python).

  sh tools/dist_train.sh configs/pruning/dmcp/dmcp_resnet50_supernet_8xb32.py 8
  NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 sh tools/dist_train.sh CONFIG 8
TEXT
}

case ${1-} in
    -h | --help) usage && exit ;;
    '') usage >&2 && exit 2 ;;
esac
[ $# -ge 2 ] || die "how many processes? sh tools/dist_train.sh CONFIG GPUS"
config=$1 gpus=$2
shift 2
need_config "$config"
run_torchrun "$gpus" "$TOOLS/train.py" "$config" --launcher pytorch "$@"
