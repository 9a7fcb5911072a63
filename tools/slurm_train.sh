#!/bin/sh
# Train, or search, on a Slurm cluster.
TOOLS=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
. "$TOOLS/lib.sh"

usage() {
    cat <<'TEXT'
usage: sh tools/slurm_train.sh PARTITION JOB CONFIG [options of tools/train.py]

Environment: GPUS (8, the number of processes), GPUS_PER_NODE (8; 0 on nodes
without GPUs), CPUS_PER_TASK (5), SRUN_ARGS, PY_ARGS, PYTHON (python).

  GPUS=16 sh tools/slurm_train.sh gpu dmcp CONFIG --work-dir DIR

srun waits for the job. To queue one that continues after it was preempted or
its node failed, submit this script; --resume goes on from the last checkpoint
and starts anew where there is none:

  GPUS=16 sbatch -p gpu --requeue --open-mode=append --ntasks=16 \
    --ntasks-per-node=8 --gres=gpu:8 --cpus-per-task=5 \
    --wrap 'sh tools/slurm_train.sh gpu dmcp CONFIG --work-dir DIR --resume'
TEXT
}

case ${1-} in
    -h | --help) usage && exit ;;
    '') usage >&2 && exit 2 ;;
esac
[ $# -ge 3 ] ||
    die "something is missing: sh tools/slurm_train.sh PARTITION JOB CONFIG"
partition=$1 job=$2 config=$3
shift 3
case ${1-} in
    '' | -*) ;;
    *) die "'$1' is not an option:" \
        "the work directory is given as --work-dir DIR" ;;
esac
need_config "$config"
run_srun "$partition" "$job" "$TOOLS/train.py" "$config" "$@"
