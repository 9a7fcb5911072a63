"""What a part of a network costs: a limit of its own."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import TargetError, shown
from .measures import Measure, find_measure
from .model import CostModel

#: Measures that are known layer by layer.
_BY_LAYER = ('macs', 'params')
_LONGEST = 32  # of a measure's name in a subnet file


class Part(Measure):
    """A measure of the layers whose names begin in some way.

    What is in no layer (attention's products, say) belongs to no part. The
    network's cost model has the part's table; see :func:`part_table`.

    Args:
        whole: What is counted.
        scope: Prefixes of the layers' names.

    Raises:
        TargetError: If the scope is no list of names, or the measure not one
            that is known layer by layer.
    """

    def __init__(self, whole: Measure, scope: Any) -> None:
        if (
            not isinstance(scope, (list, tuple))
            or not scope
            or not all(isinstance(name, str) and name for name in scope)
        ):
            raise TargetError(
                f'target: scope={shown(scope)}: give a list of names of modules, such '
                "as ['backbone']"
            )
        if whole.name not in _BY_LAYER:
            raise TargetError(
                f'target: the {whole.noun} of a part is not known, only that of the '
                f'whole network; scope goes with {" or ".join(_BY_LAYER)}'
            )
        self.whole, self.scope = whole, tuple(scope)
        words = re.sub('[^a-z0-9]+', '_', '_'.join(scope).lower()).strip('_')
        name = f'{whole.name}_{words}'
        if len(name) > _LONGEST:
            digest = hashlib.sha256(name.encode()).hexdigest()[:6]
            name = f'{name[: _LONGEST - 7]}_{digest}'
        self.name, self.words = name, ()
        where = ' and '.join(scope)
        self.noun = f'{whole.noun} of {where}'
        self.title = f'{whole.title} of {where}'
        self.units, self.examples = whole.units, whole.examples
        self.fewest, self.numbers = whole.fewest, whole.numbers
        self.suffix = f'{whole.suffix}_{words.upper()}'

    def value(self, model: CostModel, widths: Tensor) -> Tensor:
        return model.tables[self.name](widths)

    def format(self, amount: float) -> str:
        return self.whole.format(amount)


class PartTable:
    """What a part costs, as a function of all units' widths.

    Args:
        whole: What is counted.
        part: The part's layers.
    """

    def __init__(self, whole: Measure, part: CostModel) -> None:
        self.whole, self.part = whole, part

    def __call__(self, widths: Tensor) -> Tensor:
        """Widths ``[..., units]`` to amounts, float64 ``[...]``."""
        return self.whole.value(self.part, widths)

    def to(self, device: torch.device) -> 'PartTable':
        """The same on a device."""
        return PartTable(self.whole, self.part.to(device))


def limits_of(target: Any) -> Iterator[tuple[Measure, Any]]:
    """What a target counts, each with the amount that is written.

    Args:
        target: An amount of multiply-accumulates, or amounts by the words of
            measures. With ``scope`` those are a part's; ``parts`` lists
            further targets with a scope each.

    Raises:
        TargetError: If a word or a scope is not known.
    """
    target = _read(target)
    if not isinstance(target, Mapping):
        yield find_measure('flops'), target
        return
    scope = target.get('scope')
    for word, amount in target.items():
        if word not in ('scope', 'parts'):
            measure = find_measure(word)
            yield (measure if scope is None else Part(measure, scope)), amount
    parts = target.get('parts', ())
    if not isinstance(parts, (list, tuple)) or not all(
        isinstance(part, Mapping) and 'scope' in part and 'parts' not in part
        for part in parts
    ):
        raise TargetError(
            f'target: parts={shown(parts)}: give a list of targets with a scope each, '
            "such as [dict(flops='50%', scope=['backbone'])]"
        )
    for part in parts:
        yield from limits_of(part)


def _read(target: Any) -> Any:
    """A text such as ``'flops=60% scope=backbone,neck'`` as a dict."""
    words = target.split() if isinstance(target, str) else []
    if not words or not all('=' in word for word in words):
        return target
    found: dict[str, Any] = dict(word.split('=', 1) for word in words)
    if 'scope' in found:
        found['scope'] = found['scope'].split(',')
    return found


def parts_of(target: Any) -> list[Part]:
    """The parts that a target, or a list of targets, counts."""
    targets = target if isinstance(target, (list, tuple)) else [target]
    found = [measure for one in targets for measure, _ in limits_of(one)]
    return [measure for measure in found if isinstance(measure, Part)]


def inside(name: str, scope: Sequence[str]) -> bool:
    """Whether a name begins with one of the prefixes, up to a dot."""
    return any(f'{name}.'.startswith(prefix.rstrip('.') + '.') for prefix in scope)
