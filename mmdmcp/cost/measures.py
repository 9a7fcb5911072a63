"""What a target may count: one object per measure.

A measure knows the words that options and files have for it, its value at
any widths, and how amounts of it are written. ``register`` makes one known:
every method, table and file takes it from then on.
"""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..errors import TargetError, shown
from .model import CostModel

# No part can match what another one can: a text of any length is read once.
_WRITTEN = re.compile(
    r'((?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[0-9]+)?)\s*([a-z%]*)', re.IGNORECASE
)


class Measure:
    """Something that a network has an amount of, depending on its widths.

    Attributes:
        name (str): In costs, logs and subnet files.
        words (tuple[str, ...]): In options: ``target=dict(flops='50%')``.
        noun (str): In messages.
        title (str): In tables.
        units (Mapping[str, float]): What may follow a number, and what it
            multiplies it by.
        examples (tuple[str, str]): Two amounts as users write them.
        suffix (str): In the default name of a subnet file.
        fewest (float): A target below it is taken for a slip, such as a bare
            ratio.
        numbers (str): Numbers of it without a unit, as users may write them;
            empty if there are none.
        missing (str): What to do where a network's amount is not known.
    """

    name: str
    words: tuple[str, ...]
    noun: str
    title: str
    units: Mapping[str, float] = {'': 1, 'K': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12}
    examples: tuple[str, str] = ('2.2G', '211M')
    suffix = ''
    fewest: float = 100
    numbers = 'as a number of {noun}, e.g. 2200000000'
    missing = 'take another measure'

    def value(self, model: CostModel, widths: Tensor) -> Tensor:
        """The amount at any widths, differentiable, exact at whole ones.

        Args:
            model: What layers contribute.
            widths: Width of each unit, ``[..., units]``.

        Returns:
            Float64 tensor ``[...]``.
        """
        raise NotImplementedError

    def known(self, model: CostModel) -> bool:
        """Whether the network's amount is known; see :attr:`missing`."""
        return True

    def exact(self, model: CostModel, widths: Sequence[int]) -> int:
        """The amount at whole widths, one per unit."""
        return round(float(self.value(model, torch.tensor(widths))))

    def format(self, amount: float) -> str:
        """An amount for people: ``'20.41 M'``, or all of its digits if it is
        small."""
        return f'{amount / 1e6:,.2f} M' if amount >= 1e4 else f'{amount:,.0f}'

    def parse(self, target: object, full: int) -> int:
        """A target as users write it, as an amount.

        Args:
            target: ``'2.2G'``, ``'50%'`` or a number.
            full: The amount of the full network.

        Returns:
            The amount aimed at, rounded to an integer.

        Raises:
            TargetError: If it can't be read, is not positive, or is not
                below the full network.
        """
        first, second = self.examples
        forms = f"write it as '{first}', '{second}', '50%' (of the full network)"
        if self.numbers:
            forms += ' or ' + self.numbers.format(noun=self.noun)
        amount = self._read(target, full)
        if amount is None:
            raise TargetError(f"target={shown(target)} can't be read: {forms}")
        if math.isnan(amount) or amount <= 0:
            raise TargetError(f'target={shown(target)} is not above zero: {forms}')
        percent = isinstance(target, str) and target.strip()[-1] == '%'
        if amount < self.fewest and not percent:
            hint = (
                f"; write {amount:.4g} of the full network as '{100 * amount:.4g}%'"
                if amount < 1
                else f': {forms}'
            )
            raise TargetError(
                f'target={shown(target)} means {amount:g} {self.noun}{hint}'
            )
        if amount >= full:
            raise TargetError(
                f'target={shown(target)} is {self.format(amount)} {self.noun}, '
                f"{'above' if amount > full else 'all of'} the full network's "
                f'{self.format(full)}: nothing is left to prune. Lower the '
                'target, or widen the network'
            )
        return round(amount)

    def _read(self, target: object, full: int) -> float | None:
        """The amount that is written; None if it can't be read."""
        if isinstance(target, str):
            match = _WRITTEN.fullmatch(target.strip())
            if match is None:
                return None
            number, unit = float(match[1]), match[2].upper()
            if unit == '%':
                return number / 100 * full
            factors = {key.upper(): factor for key, factor in self.units.items()}
            return number * factors[unit] if unit in factors else None
        if isinstance(target, Real) and not isinstance(target, bool):
            return _as_float(target) if self.numbers else None
        return None


def _as_float(number: Any) -> float:
    """A number of any library; infinite where no float can hold it."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


class MultiplyAccumulates(Measure):
    """Multiply-accumulates of convolutions and linear layers, for one sample.

    The papers call them FLOPs, and so do options.
    """

    name = 'macs'
    words = ('flops', 'macs')
    noun = 'multiply-accumulates'
    title = 'MACs'

    def value(self, model: CostModel, widths: Tensor) -> Tensor:
        return model.macs(widths)


class Parameters(Measure):
    """Parameters of the whole network."""

    name = 'params'
    words = ('params',)
    noun = 'parameters'
    title = 'parameters'
    examples = ('10M', '500K')
    suffix = '_PARAMS'

    def value(self, model: CostModel, widths: Tensor) -> Tensor:
        return model.params(widths)


class Latency(Measure):
    """Microseconds of a batch on one device, as a profile predicts them.

    The network's cost model has the profile's table; see
    :func:`mmdmcp.latency.attach`.
    """

    name = 'latency_us'
    words = ('latency',)
    noun = 'latency'
    title = 'latency'
    units = {'us': 1, 'ms': 1e3, 's': 1e6}
    examples = ('3.5ms', '800us')
    suffix = '_LATENCY'
    fewest = 1
    numbers = ''
    missing = (
        'name a profile of this network on your device, as in '
        "model.profile='LATENCY.yaml'; mmdmcp profile CONFIG -o LATENCY.yaml "
        'measures one'
    )

    def known(self, model: CostModel) -> bool:
        return self.name in model.tables

    def value(self, model: CostModel, widths: Tensor) -> Tensor:
        return model.tables[self.name](widths)

    def format(self, amount: float) -> str:
        return f'{amount / 1e3:,.3f} ms'


#: Every measure by its name, in the order of tables.
MEASURES: dict[str, Measure] = {}


def register(measure: Measure) -> Measure:
    """Make a measure known: options, files and tables take it by its name.

    Raises:
        ValueError: If another one has its name, or a word of it.
    """
    taken = {word for known in MEASURES.values() for word in (known.name, *known.words)}
    both = taken & {measure.name, *measure.words}
    if both:
        raise ValueError(f'a measure is called {sorted(both)[0]!r} already')
    MEASURES[measure.name] = measure
    return measure


def find_measure(word: str) -> Measure:
    """The measure that an option names.

    Raises:
        TargetError: If there is none.
    """
    for measure in MEASURES.values():
        if word in measure.words:
            return measure
    known = [word for measure in MEASURES.values() for word in measure.words]
    raise TargetError(
        f'target: {shown(word)} is no measure; choose from {", ".join(known)}'
    )


register(MultiplyAccumulates())
register(Parameters())
register(Latency())
