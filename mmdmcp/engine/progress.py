"""A run is never silent for long."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..ticker import duration

#: Iterations after which the length of a run is estimated. Early ones may be several
#: times as slow as later ones: a search meets new widths, for which a GPU has to
#: prepare kernels.
_ESTIMATES = (5, 100, 1000)
#: Ratios of an estimate to the one before that are not worth a line.
_ALIKE = (0.8, 1.25)


@contextmanager
def progress_lines(runner: Runner) -> Iterator[None]:
    """Lines about a run as long as this lasts, on the main process."""
    lines = ProgressLines()
    if is_main_process():
        lines.attach(runner)
    try:
        yield
    finally:
        lines.detach()


class ProgressLines(Hook):
    """Says how far a run is whenever its log was silent for some seconds.

    MMEngine's LoggerHook counts iterations, and one of them may take
    minutes. Where nothing moves, the time between two lines doubles, up to a
    minute. After the first iterations it says how long all will take, and again
    when that turns out to be wrong.

    Args:
        seconds: Of silence.
        clock: Seconds of now.
    """

    # What it notes of an iteration is noted before others log.
    priority = 'VERY_HIGH'

    def __init__(
        self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._runner: Runner | None = None
        self._phase = 'starting'
        self._since = self._heard = clock()
        self._wait = seconds
        self._first: int | None = None
        # The iteration and the time that the pace is measured from.
        self._start: tuple[int, float] | None = None
        self._spent = 0.0  # since then, outside of training iterations
        self._estimate: float | None = None
        self._over = threading.Event()
        self._listener = _Listener(self._hear)

    # ---- from beginning to end ---------------------------------------

    def attach(self, runner: Runner) -> None:
        """Listen to the log of a run, which calls this hook from now on."""
        self._runner = runner
        runner.logger.addHandler(self._listener)
        runner.register_hook(self)
        threading.Thread(target=self._watch, daemon=True).start()

    def detach(self) -> None:
        """Be silent."""
        self._over.set()
        if self._runner is not None:
            self._runner.logger.removeHandler(self._listener)

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._seconds / 4)):
            # A full disk is the run's own to meet and to name.
            with suppress(OSError):
                self.speak()

    def _hear(self) -> None:
        self._heard = self._clock()

    def speak(self) -> None:
        """Say something, if the log was silent for long enough."""
        runner, now = self._runner, self._clock()
        if runner is None or now - self._heard < self._wait:
            return
        self._wait = min(2 * self._wait, max(60.0, self._seconds))
        runner.logger.info(self._line(runner, now))
        self._heard = now

    def _line(self, runner: Runner, now: float) -> str:
        since = now - self._since
        if self._phase != 'training':
            return f'{self._phase}, {duration(since)} so far'
        line = f'{runner.iter} of {runner.max_iters} iterations are done'
        if since >= self._seconds / 2:
            line += f', the next one has run for {duration(since)}'
        pace = self._pace()
        if pace is None:
            return line
        left = duration(pace * (runner.max_iters - runner.iter))
        return f'{line}; {duration_of_one(pace)} each, about {left} left'

    def _pace(self) -> float | None:
        """Seconds an iteration since the last estimate, without the first one of
        all and without validation."""
        if self._start is None or self._runner is None:
            return None
        first, began = self._start
        done = self._runner.iter - first
        if done <= 0:
            return self._estimate
        return (self._since - began - self._spent) / done

    # ---- what is going on --------------------------------------------

    def _enter(self, phase: str) -> None:
        now = self._clock()
        if self._phase == 'validating' and self._start is not None:
            self._spent += now - self._since
        self._phase, self._since, self._wait = phase, now, self._seconds

    def before_train(self, runner: Runner) -> None:
        """The first batch is on its way."""
        self._enter('training')

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Note the pace, and say how long the run will take."""
        self._enter('training')
        done = runner.iter + 1
        if self._first is None:
            self._first, self._start = done, (done, self._since)
        elif done - self._first in _ESTIMATES:
            self._judge(runner, done)

    def _judge(self, runner: Runner, done: int) -> None:
        """Estimate how long the run will take, by the pace since the last time."""
        assert self._start is not None
        first, began = self._start
        pace = (self._since - began - self._spent) / (done - first)
        self._start, self._spent = (done, self._since), 0.0
        before, self._estimate = self._estimate, pace
        if before is not None and _ALIKE[0] * before < pace < _ALIKE[1] * before:
            return
        left = duration(pace * (runner.max_iters - done))
        runner.logger.info(
            f'{duration_of_one(pace)} an iteration{"" if before is None else " now"}: '
            f'about {left} for the {runner.max_iters - done} that are left, '
            'validation not counted'
        )

    def before_val_epoch(self, runner: Runner) -> None:
        """A validation begins."""
        self._enter('validating')

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """A validation is over."""
        self._enter('training')

    def after_train(self, runner: Runner) -> None:
        """What is left is up to the method."""
        self._enter('making the result')


def duration_of_one(seconds: float) -> str:
    """Time of one iteration.

    Example:
        >>> duration_of_one(0.0234), duration_of_one(2.34), duration_of_one(100)
        ('23 ms', '2.3 s', '1 min 40 s')
    """
    if seconds < 1:
        return f'{1000 * seconds:.0f} ms'
    return f'{seconds:.1f} s' if seconds < 60 else duration(seconds)


class _Listener(logging.Handler):
    """Hears every record that a log takes."""

    def __init__(self, hear: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear()
