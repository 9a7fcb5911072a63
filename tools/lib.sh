# What the launch scripts share. Read with `.`, after TOOLS is set.

die() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

# The folder that configs given by a shipped path are relative to.
ROOT=$(dirname "$TOOLS")

need_config() {
    for place in "$1" "$ROOT/$1" "$ROOT/configs/$1"; do
        if [ -f "$place" ]; then return; fi
    done
    die "there is no config at $1 (working directory: $(pwd))"
}

need_checkpoint() {
    case $1 in
        *://*) return ;;
    esac
    [ -f "$1" ] ||
        die "there is no checkpoint at $1 (working directory: $(pwd))"
}

# need_number NAME VALUE MINIMUM
need_number() {
    case $2 in
        '' | *[!0-9]*) die "$1 must be a whole number, not '$2'" ;;
    esac
    [ "$2" -ge "$3" ] || die "$1 must be at least $3, not $2"
}

# Sets PYTHON to an interpreter that has torch.
need_python() {
    : "${PYTHON:=$(command -v python || command -v python3 || echo python)}"
    "$PYTHON" -c 'import importlib.util as u, sys
sys.exit(u.find_spec("torch") is None)' 2>/dev/null ||
        die "$PYTHON has no torch: activate the environment first" \
            "(after \`make env\`: . $ROOT/.venv/bin/activate), or set PYTHON"
}

# run_torchrun GPUS SCRIPT ARGUMENTS...
# Replaces the shell, so signals and exit codes are torchrun's.
run_torchrun() {
    gpus=$1
    shift
    need_number GPUS "$gpus" 1
    need_number NNODES "${NNODES:=1}" 1
    need_number NODE_RANK "${NODE_RANK:=0}" 0
    [ "$NODE_RANK" -lt "$NNODES" ] ||
        die "NODE_RANK counts from 0: of NNODES=$NNODES there is no $NODE_RANK"
    need_python
    if [ "$NNODES" -gt 1 ] && [ -z "${MASTER_ADDR-}" ]; then
        die "NNODES=$NNODES needs MASTER_ADDR, the address of node 0," \
            "on all nodes"
    fi
    if [ "$NNODES" -eq 1 ] && [ -z "${PORT-}${MASTER_ADDR-}" ]; then
        # On one machine torchrun finds a free port, so that two runs don't
        # meet by mistake.
        exec "$PYTHON" -m torch.distributed.run --standalone \
            --local_addr=127.0.0.1 --nproc_per_node="$gpus" "$@"
    fi
    exec "$PYTHON" -m torch.distributed.run \
        --nnodes="$NNODES" --node_rank="$NODE_RANK" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" --nproc_per_node="$gpus" "$@"
}

# run_srun PARTITION JOB SCRIPT ARGUMENTS...
# Replaces the shell, so signals and exit codes are srun's.
run_srun() {
    partition=$1 job=$2
    shift 2
    need_number GPUS "${GPUS:=8}" 1
    need_number GPUS_PER_NODE "${GPUS_PER_NODE:=8}" 0
    need_number CPUS_PER_TASK "${CPUS_PER_TASK:=5}" 1
    command -v srun >/dev/null ||
        die "there is no srun here: run it on a login node of a Slurm" \
            "cluster, or on one machine use" \
            "tools/dist_$(basename "$0" | sed 's/^slurm_//')"
    need_python
    # A job that doesn't fill a node shouldn't ask for all of its GPUs.
    if [ "$GPUS_PER_NODE" -gt "$GPUS" ]; then GPUS_PER_NODE=$GPUS; fi
    set -f # words of SRUN_ARGS and PY_ARGS are not file patterns
    # shellcheck disable=SC2086  # they are meant to be split into words
    set -- "$PYTHON" -u "$@" --launcher=slurm ${PY_ARGS-}
    if [ "$GPUS_PER_NODE" -gt 0 ]; then
        set -- --gres="gpu:$GPUS_PER_NODE" \
            --ntasks-per-node="$GPUS_PER_NODE" ${SRUN_ARGS-} "$@"
    else
        set -- ${SRUN_ARGS-} "$@"
    fi
    exec srun -p "$partition" --job-name="$job" --ntasks="$GPUS" \
        --cpus-per-task="$CPUS_PER_TASK" --kill-on-bad-exit=1 "$@"
}
