"""Interleaved timing: noise of the machine hits everything alike."""

import statistics
import time
from collections.abc import Callable

import torch


class Clock:
    """Times of named pieces of work.

    Args:
        device: Where the work runs; a GPU is waited for.
        busy: Count processor time instead of time: for a machine that
            others use too. With one thread only; waiting threads spin.

    Attributes:
        seconds (dict[str, list[float]]): Times of each piece, in order.
    """

    def __init__(self, device: str = 'cpu', busy: bool = False) -> None:
        self.device = device
        self.now = time.process_time if busy else time.perf_counter
        self.seconds: dict[str, list[float]] = {}

    def wait(self) -> None:
        """Until the device is idle."""
        if self.device != 'cpu':
            torch.cuda.synchronize()

    def time(self, name: str, work: Callable[[], object]) -> object:
        """Do a piece of work and note how long it took."""
        self.wait()
        start = self.now()
        result = work()
        self.wait()
        self.seconds.setdefault(name, []).append(self.now() - start)
        return result

    def ratio(self, name: str, to: str) -> float:
        """Median over the rounds of the ratio of two pieces.

        Both of a round were done one after the other, so a slow spell of
        the machine leaves their ratio alone.
        """
        pairs = zip(self.seconds[name], self.seconds[to])
        return statistics.median(a / b for a, b in pairs)

    def fastest(self, name: str, to: str) -> float:
        """Ratio of the fastest times: what is left without disturbance."""
        return min(self.seconds[name]) / min(self.seconds[to])

    def median(self, name: str) -> float:
        """Median time of a piece."""
        return statistics.median(self.seconds[name])
