"""Hooks and a transform that make things go wrong at a chosen moment."""

import os
import signal
from pathlib import Path

from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, TRANSFORMS

import mmdmcp.compat
import mmdmcp.dmcp.ranker


@HOOKS.register_module()
class SignalAt(Hook):
    """Sends this process a signal in the middle of an iteration's hooks."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration: int, number: int, times: int = 1) -> None:
        self.iteration, self.number = iteration, number
        self.times = times

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter == self.iteration:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


@HOOKS.register_module()
class SignalGroupAt(SignalAt):
    """Has every process of the run signalled, data-loader workers too, as
    Slurm, ``timeout`` and a terminal do."""

    def before_run(self, runner) -> None:
        os.setpgrp()

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter == self.iteration:
            # From another process: a worker obeys its parent.
            other = os.fork()
            if not other:
                os.killpg(0, self.number)
                os._exit(0)
            os.waitpid(other, 0)


@HOOKS.register_module()
class KillWhileWriting(Hook):
    """Kills this process when half of a checkpoint is on the disk."""

    def __init__(self, name: str) -> None:
        real = mmdmcp.compat.atomic_file

        class HalfFile:
            def __init__(self, file):
                self.file = file

            def write(self, data):
                self.file.write(data[: len(data) // 2])
                self.file.flush()
                os.kill(os.getpid(), signal.SIGKILL)

        from contextlib import contextmanager

        @contextmanager
        def half(path):
            with real(path) as file:
                yield HalfFile(file) if Path(path).name == name else file

        mmdmcp.compat.atomic_file = half


@HOOKS.register_module()
class KillAtExport(Hook):
    """Kills this process while candidates are evaluated."""

    def after_train(self, runner) -> None:
        pass

    def before_run(self, runner) -> None:

        def die(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)

        mmdmcp.dmcp.ranker.evaluate = die


@TRANSFORMS.register_module()
class ReadsFile(BaseTransform):
    """Needs a file for every sample, as an image loader does."""

    def __init__(self, path: str) -> None:
        self.path = path

    def transform(self, results: dict) -> dict:
        Path(self.path).read_bytes()
        return results


@HOOKS.register_module()
class RemoveFileAt(Hook):
    """Removes a file after an iteration."""

    def __init__(self, path: str, iteration: int) -> None:
        self.path, self.iteration = path, iteration

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter == self.iteration:
            Path(self.path).unlink()


@HOOKS.register_module()
class NanAt(Hook):
    """Puts a number that is none into a batch."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == self.iteration:
            inputs = data_batch['inputs']
            data_batch['inputs'] = [x.float() for x in inputs]
            data_batch['inputs'][0].fill_(float('nan'))


@HOOKS.register_module()
class BreakWeightAt(Hook):
    """Makes a weight no number, as the gradient of a NaN that only another
    rank met does."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter == self.iteration:
            next(runner.model.parameters()).data[0] = float('nan')
