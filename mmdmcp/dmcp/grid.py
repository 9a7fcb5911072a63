"""The widths that a unit may take."""

from ..errors import ConfigError
from ..options import number, one_of
from ..ranking import fitting_multiple

GRIDS = ('even', 'release')
# The vectors of today's CPUs and the tiles of GPUs hold 8 or 16 channels.
_MAX_AUTO_DIVISOR = 16
_ROUNDING = 1e-4  # the authors' release adds it before it truncates


class WidthGrid:
    """Candidate widths of a unit with C channels.

    ``even`` puts the borders at the rounded positions ``C * r / max_ratio``
    for r = min_ratio, min_ratio + step, ..., max_ratio, each a multiple of
    ``divisor`` (C itself always counts), so every unit reaches its minimum.
    Real kernels like multiples of powers of two; ``'auto'`` takes the
    largest one, 16 at most, that leaves a border within a quarter of a step
    of its place: 1 for 16 channels, 2 for 64, 8 for 256. Where a latency
    profile says which multiple pays (:attr:`mmdmcp.latency.Profile.multiple`),
    it takes that one, halved until the unit has four multiples.

    ``release`` is the grid of the authors' release, ``(min_width,
    max_width, offset)``: groups of ``int(step * C / max_ratio)`` channels,
    ``int((max_ratio - min_ratio) / step)`` of them, the rest is the minimum.
    Narrow layers can hardly be pruned with it: of 16 channels, 7 stay.

    Args:
        type: ``'even'`` or ``'release'``.
        min_ratio: Smallest width, as a ratio.
        max_ratio: The ratio that a unit's channels stand for. 1.5 for a
            network that was built 1.5 times as wide as the nominal one.
        step: Distance of two widths, as a ratio.
        divisor: Widths are multiples of it (``even`` only); ``'auto'``
            chooses by the profile, or by the unit's channels.

    Attributes:
        multiple (int | None): What a profile found to pay.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> WidthGrid(step=0.25, min_ratio=0.25)(16)
        (4, 8, 12, 16)
    """

    def __init__(
        self,
        type: str = 'even',
        min_ratio: float = 0.1,
        max_ratio: float = 1.0,
        step: float = 0.1,
        divisor: int | str = 'auto',
    ) -> None:
        one_of('mutator.grid: type', type, GRIDS)
        number('mutator.grid: max_ratio', max_ratio, above=0)
        number('mutator.grid: min_ratio', min_ratio, above=0, below=max_ratio)
        number('mutator.grid: step', step, above=0)
        if step > max_ratio - min_ratio + 1e-9:
            raise ConfigError(
                f'mutator.grid: step={step} does not fit between '
                f'min_ratio={min_ratio} and max_ratio={max_ratio}'
            )
        if not isinstance(divisor, str) or divisor != 'auto':
            number('mutator.grid: divisor', divisor, 1, whole=True, otherwise='auto')
            divisor = int(divisor)
        if type == 'release' and divisor not in (1, 'auto'):
            raise ConfigError(
                "mutator.grid: the release's grid has no divisor; use type='even'"
            )
        self.type = type
        self.min_ratio = min_ratio
        self.max_ratio = max_ratio
        self.step = step
        self.divisor = divisor
        self.multiple: int | None = None

    def __call__(self, channels: int) -> tuple[int, ...]:
        """Widths of a unit, strictly ascending, the last is ``channels``."""
        if self.type == 'release':
            return self._release(channels)
        return self._even(channels)

    def steps(self, channels: int) -> tuple[int, ...]:
        """Widths that an expected one may be rounded to, ascending.

        Between the first and the last candidate any multiple of the divisor
        will do.
        """
        least = self(channels)[0]
        return (*range(least, channels, self._divisor(channels)), channels)

    @property
    def _num_groups(self) -> int:
        return int(self._steps)

    @property
    def _steps(self) -> float:
        """How many steps fit between the ratios; a tiny step has no count."""
        return (self.max_ratio - self.min_ratio) / self.step + _ROUNDING

    def _release(self, channels: int) -> tuple[int, ...]:
        size = int(self.step * channels / self.max_ratio + 1e-9)
        count = self._num_groups if size else 0
        return tuple(channels - size * g for g in range(count, -1, -1))

    def _divisor(self, channels: int) -> int:
        """What the widths of a unit with that many channels divide by."""
        if not isinstance(self.divisor, str):
            return self.divisor
        if self.type == 'release':
            return 1
        if self.multiple is not None:
            return fitting_multiple(self.multiple, channels)
        divisor, step = 1, channels * self.step / self.max_ratio
        while 2 * divisor <= min(_MAX_AUTO_DIVISOR, step / 2):
            divisor *= 2
        return divisor

    def _even(self, channels: int) -> tuple[int, ...]:
        d = self._divisor(channels)
        if self._steps > 4 * channels:  # a border within every channel
            first = max(
                d, int(channels * self.min_ratio / self.max_ratio / d + 0.5) * d
            )
            return (*range(first, channels, d), channels)
        widths = set()
        for g in range(self._num_groups + 1):
            ratio = (self.min_ratio + g * self.step) / self.max_ratio
            widths.add(max(d, int(channels * ratio / d + 0.5) * d))
        return tuple(sorted(w for w in widths if w < channels)) + (channels,)
