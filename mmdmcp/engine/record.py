"""What a checkpoint says about the run that wrote it."""

from collections.abc import Mapping
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .replay import take_settings


class RunRecord(Hook):
    """Writes what a run is into its checkpoints, for one that goes on.

    It stands under ``meta.mmdmcp``. A run that goes on says where it is
    another one, and trains with the optimisers' settings of its own config.

    Args:
        run: Name of the run.
        settings: What its result depends on, in plain values.
    """

    def __init__(self, run: str | None, settings: dict[str, Any]) -> None:
        self.run, self.settings = run, settings

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the record."""
        checkpoint['meta']['mmdmcp'] = dict(
            run=self.run, settings=self.settings, **_facts(runner)
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare with the record, and let changed settings take effect.

        Raises:
            CheckpointError: If they can't.
        """
        if not runner._resume:
            return
        record = checkpoint['meta'].get('mmdmcp')
        record = record if isinstance(record, Mapping) else {}
        for name, now in _facts(runner).items():
            if record.get(name, now) != now:
                runner.logger.warning(
                    f'{runner._load_from} was written by a run with '
                    f'{record[name]} {_WORDS[name]}, this one has {now}: it ends '
                    'differently'
                )
        same = record.get('settings') == self.settings
        notices = take_settings(runner, checkpoint, may_differ=not same)
        for notice in notices:
            runner.logger.warning(f'{runner._load_from}: {notice}')


_WORDS = dict(samples='training samples', processes='processes')


def _facts(runner: Runner) -> dict[str, int]:
    """What a config does not say."""
    return dict(
        samples=len(runner.train_dataloader.dataset), processes=get_world_size()
    )
