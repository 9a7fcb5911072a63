"""Train and test from Python; what ``tools/`` and the command line call.

A run is MMEngine's Runner on a config. What is done here happens before it
is built: options are laid over the config, what GPUs alone can do is
replaced where there are none, what the run will read is checked, and the
processes of a distributed run find each other.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.evaluator import DumpResults
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from . import registry  # noqa: F401  (registers what configs name)
from .checkpoints.fetch import downloaded, is_url
from .checkpoints.resume import Found, find_good_checkpoint, not_resumable
from .compat import repair_mmengine
from .engine.launch import process_group
from .engine.progress import progress_lines
from .engine.record import RunRecord
from .engine.samples import watch_samples
from .engine.work_dir import Ownership, own_work_dir
from .errors import ConfigError, MmdmcpError
from .files import atomic_file
from .models.fit import check_fit
from .preflight.changes import check_changes, settings
from .preflight.config import (
    check_kept,
    check_loop,
    load_config,
    set_loader_defaults,
    set_work_dir,
)
from .preflight.device import enable_amp, fit_to_cpu, turn_to_channels_last
from .preflight.folders import fit_class_folders
from .preflight.inputs import check_checkpoint, check_data, check_pretrained
from .preflight.schedules import schedule_notices
from .preflight.sizes import size_notices
from .preflight.types import check_types
from .preflight.weights import insist_on_fit, remedy_for_load_from

_REMEDY_TEST = 'Test it with the config and --cfg-options of its training'
_REMEDY_RESUME = (
    'Go on with the config and --cfg-options that the run was '
    'started with, or start again in another --work-dir'
)


def train(
    config: str,
    work_dir: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    validate: bool = True,
    auto_scale_lr: bool = False,
    cfg_options: Mapping | None = None,
    launcher: str = 'none',
    channels_last: bool = False,
) -> Runner:
    """Run the training, or the search, that a config describes.

    Args:
        config (str): Path of the config.
        work_dir (str, optional): Where logs, checkpoints and results go. By
            default the config's ``work_dir``, or
            ``./work_dirs/<name of the config>``.
        resume (str, optional): A checkpoint to go on from, or 'auto' for
            the latest in ``work_dir``, if there is one.
        amp (bool): Train with automatic mixed precision: float16 on GPUs,
            bfloat16 on CPU. Defaults to False.
        validate (bool): Validate during training. Defaults to True.
        auto_scale_lr (bool): Scale the learning rates by the ratio of the
            batch size to the one they were made for. Defaults to False.
        cfg_options (Mapping, optional): Settings to override, by dotted key.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to
            'none'.
        channels_last (bool): Train in the layout that convolutions prefer; see
            :class:`~mmdmcp.engine.ChannelsLastHook`. Defaults to False.

    Returns:
        Runner: The runner, after training.

    Raises:
        MmdmcpError: If the config, the data, a checkpoint or the launch are
            not as they must be. Nothing has been built then.
    """
    repair_mmengine()
    cfg = load_config(config, cfg_options)
    check_types(cfg)
    set_work_dir(cfg, work_dir)
    cfg.launcher = launcher
    if amp:
        enable_amp(cfg)
    if channels_last:
        turn_to_channels_last(cfg)
    if not validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ConfigError(
                '--auto-scale-lr needs the batch size that the learning rates '
                'were made for: --cfg-options auto_scale_lr.base_batch_size=N'
            )
        cfg.auto_scale_lr.enable = True
    folders = fit_class_folders(cfg)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'auto'
    device = get_device()
    notices = folders + _fit(cfg, device) + check_loop(cfg) + check_kept(cfg)
    notices += schedule_notices(cfg)
    with process_group(launcher, device, _dist_cfg(cfg)), _own(cfg, resume) as owner:
        notices += _start(cfg, resume, owner)
        record = RunRecord(owner.run, settings(cfg))
        runner = _build(cfg, owner.notices + notices)
        runner.register_hook(record)
        remedy = _REMEDY_RESUME if cfg.get('resume') else remedy_for_load_from(cfg)
        if remedy is not None:
            insist_on_fit(runner, remedy)
        with progress_lines(runner):
            _open_log(runner)
            for notice in size_notices(runner, cfg.model):
                runner.logger.warning(notice)
            runner.train()
            _report(runner)
    return runner


def test(
    config: str,
    checkpoint: str,
    work_dir: str | None = None,
    out: str | None = None,
    cfg_options: Mapping | None = None,
    launcher: str = 'none',
) -> dict[str, float]:
    """Test a checkpoint as a config describes.

    Args:
        config (str): Path of the config.
        checkpoint (str): Path or URL of the checkpoint.
        work_dir (str, optional): As for :func:`train`.
        out (str, optional): File for the result: metrics if it ends with
            ``.json``, predictions if it ends with ``.pkl``.
        cfg_options (Mapping, optional): Settings to override, by dotted key.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to
            'none'.

    Returns:
        dict[str, float]: The metrics.

    Raises:
        MmdmcpError: As for :func:`train`.
    """
    suffix = Path(out).suffix if out else None
    if suffix not in (None, '.json', '.pkl'):
        raise ConfigError(
            f'--out {out}: end it with .json for metrics or with .pkl for predictions'
        )
    repair_mmengine()
    cfg = load_config(config, cfg_options)
    check_types(cfg)
    set_work_dir(cfg, work_dir)
    cfg.launcher = launcher
    folders = fit_class_folders(cfg)
    check_data(cfg, ('test_dataloader',))
    cfg.load_from, cfg.resume = checkpoint, False
    device = get_device()
    notices = folders + _fit(cfg, device)
    with process_group(launcher, device, _dist_cfg(cfg)):
        check_checkpoint(checkpoint, 'checkpoint')
        if out is not None:
            _need_folder(Path(out).parent, f'--out {out}')
        _need_folder(cfg.work_dir, f'--work-dir {cfg.work_dir}')
        runner = _build(cfg, notices)
        insist_on_fit(runner, _REMEDY_TEST)
        if suffix == '.pkl':
            runner.test_evaluator.metrics.append(DumpResults(out))
        metrics = runner.test()
        if out is not None and suffix == '.json' and is_main_process():
            _write_json(Path(out), metrics)
    return metrics


def _open_log(runner: Runner) -> None:
    """Say what a search can prune, before anything that takes long."""
    from .methods import PruningAlgorithm

    algorithm = getattr(runner.model, 'module', runner.model)
    if not isinstance(algorithm, PruningAlgorithm):
        return
    from .plain.inspection import look

    mutator = algorithm.mutator
    aims = [budget.values for budget in algorithm.budgets]
    found = replace(
        look(mutator.supernet, choices=[unit.choices for unit in mutator.units]),
        # With measures of the algorithm's own, such as a latency.
        full=algorithm.cost_of('max'),
        narrowest=algorithm.cost_of('min'),
        target=aims if len(aims) > 1 else aims[0],
        reachable=True,  # else it would not have been built
    )
    runner.logger.info(f'\n{found}')


def _report(runner: Runner) -> None:
    """Write the report of a search; what prevents it is a warning."""
    from .methods import SearchHook

    searched = any(isinstance(hook, SearchHook) for hook in runner.hooks)
    if not searched or not is_main_process():
        return
    from .report.run_report import write_report

    try:
        runner.logger.info(f'wrote {write_report(runner.work_dir)}')
    except (MmdmcpError, OSError) as error:
        runner.logger.warning(f'there is no report: {error}')


def _dist_cfg(cfg: Config) -> Mapping:
    return (cfg.get('env_cfg') or {}).get('dist_cfg') or {}


def _fit(cfg: Config, device: str) -> list:
    """Fit the config to the device; return notices for the log."""
    set_loader_defaults(cfg, cuda=device == 'cuda')
    return fit_to_cpu(cfg) if device == 'cpu' else []


@contextmanager
def _own(cfg: Config, resume: str | None) -> Iterator[Ownership]:
    """The work dir is this run's alone; what the run starts from is there."""
    check_pretrained(cfg.model)
    if resume is None:
        check_checkpoint(cfg.get('load_from'), 'load_from')
    elif resume != 'auto':
        check_checkpoint(resume, '--resume', resume=True)
    _need_folder(cfg.work_dir, f'--work-dir {cfg.work_dir}')
    written = ('last_checkpoint', Path(cfg.filename).name)
    with own_work_dir(cfg.work_dir, written) as owner:
        yield owner


def _start(cfg: Config, resume: str | None, owner: Ownership) -> list:
    """Begin a run, or go on with one; return notices for the log.

    With 'auto', from the newest good checkpoint that the run has in the work
    dir; where there is none, ``load_from`` keeps its meaning: a job that is
    always started with ``--resume``, so that it can be requeued, starts from
    its pretrained weights the first time. Rank 0 looks, for all.
    """
    notices: list = []
    if resume == 'auto':
        found: list[Any] = [None]
        if is_main_process():
            found = [_find(cfg.work_dir, owner)]
        broadcast_object_list(found)
        resume, notices = found[0]
        if resume is None or owner.run is None:
            owner.begin(None)
    else:
        owner.begin(None if resume is None else _local(resume))
    cfg.resume = resume is not None
    if resume is None:
        check_checkpoint(cfg.get('load_from'), 'load_from')
        return notices
    cfg.load_from = resume
    if '://' in _local(resume):
        return notices
    return notices + check_changes(cfg, _local(resume))


def _local(checkpoint: str) -> str:
    """The file of a checkpoint; one in a store of MMEngine's has none."""
    if is_url(checkpoint):
        return str(downloaded(checkpoint))
    if '://' in checkpoint:
        return checkpoint
    return os.path.abspath(os.path.expanduser(checkpoint))


def _find(work_dir: str, owner: Ownership) -> Found:
    """The newest checkpoint of a work dir's run, or what it started from."""
    found = find_good_checkpoint(work_dir, owner.run)
    if found.path is None and owner.start and not_resumable(owner.start) is None:
        return Found(owner.start, found.warnings)
    return found


def _build(cfg: Config, notices: list) -> Runner:
    kind = cfg.get('runner_type')
    runner = RUNNERS.build(cfg) if kind else Runner.from_cfg(cfg)
    check_fit(runner.model)
    watch_samples(runner)
    for notice in notices:
        runner.logger.warning(notice)
    return runner


def _need_folder(folder: str | Path, asked_by: str) -> None:
    """Make a folder, in which rank 0 must be able to write."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{asked_by}: the folder can't be made: {error.strerror}. Name "
            'one that can be written to'
        ) from error
    if is_main_process() and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{asked_by}: the folder can't be written to. Name one that can"
        )


def _write_json(path: Path, metrics: Mapping) -> None:
    """Write metrics so that a reader sees all of them or none."""
    with atomic_file(path) as file:
        file.write(json.dumps(metrics, indent=2, default=float).encode())
        file.write(b'\n')
