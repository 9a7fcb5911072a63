"""What a checkpoint says about the run that wrote it."""

from mmengine.hooks import Hook
from mmengine.runner import Runner


class RunRecord(Hook):
    """Writes what a run is into its checkpoints, for one that goes on.

    It stands under ``meta.mmdmcp``.

    Args:
        run: Name of the run.
    """

    def __init__(self, run: str | None) -> None:
        self.run = run

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add it."""
        checkpoint['meta']['mmdmcp'] = dict(run=self.run)
