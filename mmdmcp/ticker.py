"""Lines that say how far something slow is."""

import sys
import time
from collections.abc import Callable


class Ticker:
    """Says every few seconds on stderr how much is done, and how long the
    rest will take.

    Args:
        what: What is counted, in words.
        total: How many there are.
        active: Whether to say anything.
        seconds: Least time between two lines.
        clock: Seconds of now.
    """

    def __init__(
        self,
        what: str,
        total: int,
        active: bool = True,
        seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._active = what, total, active
        self._seconds, self._clock = seconds, clock
        self._done = 0
        self._start = self._said = clock()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        now = self._clock()
        if not self._active or now - self._said < self._seconds:
            return
        self._said = now
        left = (now - self._start) / self._done * (self._total - self._done)
        print(
            f'{self._done} of {self._total} {self._what}, about {duration(left)} left',
            file=sys.stderr,
            flush=True,
        )


def duration(seconds: float) -> str:
    """A time in words, in two figures at most.

    Example:
        >>> duration(8.4), duration(95), duration(4000), duration(200_000)
        ('8 s', '1 min 35 s', '1 h 06 min', '2 d 07 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60:02} s'
    if whole < 86400:
        return f'{whole // 3600} h {whole % 3600 // 60:02} min'
    return f'{whole // 86400} d {whole % 86400 // 3600:02} h'
