"""Epochs that go on, after any interruption, as if there had been none."""

import signal
import threading
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_rank, get_world_size, is_main_process
from mmengine.runner import EpochBasedTrainLoop

from ..errors import CheckpointError, DataError
from ..files import atomic_file
from ..registry import LOOPS
from .seeding import seed_everything, seed_workers, shared_seed
from .signals import protect_workers

# Ranks agree on whether to stop this often: a signal reaches them in
# different iterations, and one that stops alone would leave the others
# waiting for its gradients.
_AGREE_EVERY = 10


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, exact across interruptions.

    * The randomness of an iteration (augmentation in this process, dropout)
      is a function of seed, iteration and rank, not of what ran before, so
      a run resumed at iteration k continues as the uninterrupted one would.
      Data-loader workers start anew, with other seeds, in each epoch; with
      ``persistent_workers`` their augmentation goes on from where it was
      and a resumed run sees other crops.
    * A checkpoint from the middle of an epoch continues at the next batch.
    * SIGTERM, as sent by Slurm, ends the iteration, writes a checkpoint and
      exits with status 143. ``--resume`` goes on from there. So does
      Ctrl-C, with status 130; a second one stops at once.
    * A batch that can't be read stops the run with an error that says which.

    Args:
        runner: The runner.
        dataloader: Training data.
        max_epochs: Epochs.
        val_begin: First epoch that is validated.
        val_interval: Epochs between validations.
        dynamic_intervals: As in MMEngine.
    """

    def run(self) -> torch.nn.Module:
        """Train.

        Raises:
            CheckpointError: If the run goes on from another one's
                checkpoint.
            DataError: If a batch can't be read.
        """
        self._stop_signal = 0
        self._check_position()
        # A seed that was drawn, not given, comes back with the checkpoint
        # after the sampler was built. Ranks deal out one order among them.
        sampler = self.dataloader.sampler
        if hasattr(sampler, 'seed'):
            sampler.seed = shared_seed(self.runner)
        seed_workers(self.dataloader)
        for loop in (self, self.runner.val_loop):
            if loop is not None:
                protect_workers(loop.dataloader)
        handlers = self._listen()
        try:
            return super().run()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        runner, length = self.runner, len(self.dataloader)
        runner.call_hook('before_train_epoch')
        runner.model.train()
        done = self._iter - self._epoch * length
        seed_everything(runner.seed, self._epoch, -1, get_rank())
        batches = iter(self.dataloader)
        for index in range(length):
            seed_everything(runner.seed, self._epoch, index, get_rank())
            batch = self._next(batches, index)
            if index < done:
                continue
            self.run_iter(index, batch)
            if self._agreed_to_stop():
                self._leave()
        runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _check_position(self) -> None:
        """Raise if the checkpoint counted other epochs than these."""
        length = len(self.dataloader)
        if not 0 <= self._iter - self._epoch * length <= length:
            raise CheckpointError(
                f'{self.runner._load_from} stands at iteration {self._iter}, '
                f'in epoch {self._epoch + 1}, but here an epoch has {length} '
                'iterations. Go on with the data, the number of processes '
                'and the train_dataloader.batch_size that the run was '
                'started with, or start again in another --work-dir'
            )

    def _next(self, batches, index: int) -> dict | list | tuple:
        try:
            return next(batches)
        except StopIteration:
            raise DataError(
                f'the data of epoch {self._epoch + 1} ended after {index} of '
                f'{len(self.dataloader)} batches: the length of the data set is '
                'not the number of its samples'
            ) from None
        except Exception as error:
            # It stands at the end of a worker's traceback.
            text = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"batch {index} of epoch {self._epoch + 1} can't be read: "
                f'{text[-1].rstrip(".")}. Put the file back or mend it, then go '
                'on with --resume: training continues from the last checkpoint '
                f'in {self.runner.work_dir}'
            ) from error

    # ---- stopping ----------------------------------------------------

    def _listen(self) -> dict[int, Any]:
        """Note SIGTERM and Ctrl-C; the handlers that were there before."""
        if threading.current_thread() is not threading.main_thread():
            return {}  # signals are not ours

        def note(number, _frame):
            self._stop_signal = number
            signal.signal(signal.SIGINT, handlers[signal.SIGINT])

        handlers: dict[int, Any] = {
            number: signal.getsignal(number)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        for number in handlers:
            signal.signal(number, note)
        return handlers

    def _agreed_to_stop(self) -> bool:
        """Whether any rank was told to stop; the same answer on all."""
        if get_world_size() == 1:
            return bool(self._stop_signal)
        if self._iter % _AGREE_EVERY:
            return False
        told = torch.tensor(float(self._stop_signal))
        all_reduce(told, op='max')
        self._stop_signal = int(told)
        return bool(self._stop_signal)

    def _leave(self) -> None:
        """Write a checkpoint of this moment and exit."""
        runner = self.runner
        name = f'iter_{self._iter}.pth'
        runner.save_checkpoint(
            runner.work_dir,
            name,
            meta=dict(epoch=self._epoch, iter=self._iter),
            by_epoch=False,
        )
        if is_main_process():
            folder = Path(runner.work_dir)
            with atomic_file(folder / 'last_checkpoint') as file:
                file.write(str(folder / name).encode())
        runner.logger.warning(
            f'stopped by signal {self._stop_signal} after iteration '
            f'{self._iter}; {name} is written, go on with --resume'
        )
        # Launchers kill the others soon after the first rank has exited.
        barrier()
        raise SystemExit(128 + self._stop_signal)
