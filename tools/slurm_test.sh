#!/bin/sh
# Test on a Slurm cluster.
TOOLS=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
. "$TOOLS/lib.sh"

usage() {
    cat <<'TEXT'
usage: sh tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [options of
       tools/test.py]

Environment: GPUS (8, the number of processes), GPUS_PER_NODE (8; 0 on nodes
without GPUs), CPUS_PER_TASK (5), SRUN_ARGS, PY_ARGS, PYTHON (python).
TEXT
}

case ${1-} in
    -h | --help) usage && exit ;;
    '') usage >&2 && exit 2 ;;
esac
[ $# -ge 4 ] || die "something is missing:" \
    "sh tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT"
partition=$1 job=$2 config=$3 checkpoint=$4
shift 4
need_config "$config"
need_checkpoint "$checkpoint"
run_srun "$partition" "$job" "$TOOLS/test.py" "$config" "$checkpoint" "$@"
