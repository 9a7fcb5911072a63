"""What a run leaves for its report: ``search.json``, format 1.

The search writes it into the work dir while it runs and when it is over; the
report reads it. It holds numbers and names only, so a report can be made on a
machine that has neither the model nor the data.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import DataError, first_line
from ..files import atomic_file

FORMAT = 1
FILE = 'search.json'
_MAX_BYTES = 64 << 20


@dataclass
class UnitRecord:
    """A unit: layers that keep the same channels.

    Attributes:
        name: Name of its first layer.
        of: Channels of the full network.
        widths: Candidate widths, ascending; empty where every width is one.
    """

    name: str
    of: int
    widths: list[int] = field(default_factory=list)


@dataclass
class Moment:
    """Where the chains or gates were at one iteration.

    Attributes:
        iteration: Iterations done.
        widths: Expected (or open) channels, one number per unit.
        cost: Expected cost of each measure, such as ``{'macs': 8.2e5}``.
        marginals: P(group kept) of each unit's groups; empty without chains.
    """

    iteration: int
    widths: list[float]
    cost: dict[str, float]
    marginals: list[list[float]] = field(default_factory=list)


@dataclass
class NetworkRecord:
    """A network that was evaluated.

    Attributes:
        name: ``'full'``, ``'expected'``, ``'direct1'``, ...
        cost: ``macs`` and ``params`` of the whole network.
        widths: Channels of each unit.
        metrics: What its evaluation gave; empty without one.
        weight_bytes: Size of its state dict.
    """

    name: str
    cost: dict[str, float]
    widths: list[int] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    weight_bytes: int | None = None


@dataclass
class BudgetRecord:
    """One budget of the search, and the subnet that was found for it.

    Attributes:
        name: Stem of the subnet file, ``DMCP_SUBNET_DIGITS``.
        target: Cost aimed at of each measure.
        history: From the start of the search to where it is now.
        candidates: Networks that were compared at the end.
        chosen: Name of the one that was written; None before the end.
        layer_macs: Multiply-accumulates of each layer in it.
        rank_by: Metric that decided; None without validation.
    """

    name: str
    target: dict[str, float]
    history: list[Moment] = field(default_factory=list)
    candidates: list[NetworkRecord] = field(default_factory=list)
    chosen: str | None = None
    layer_macs: list[int] = field(default_factory=list)
    rank_by: str | None = None


@dataclass
class SearchRecord:
    """The content of ``search.json``.

    Attributes:
        method: ``'dmcp'``, ``'gate'``, ...
        iteration: Iterations done when it was written.
        max_iters: Iterations of the search.
        input_shape: Size that multiply-accumulates are counted at.
        full: The full network.
        units: What can be pruned.
        layers: Name of every layer that has multiply-accumulates.
        layer_macs: Those of the full network.
        budgets: One entry a budget.
        made: How it was made, in words: seed, command, versions, device.
    """

    method: str
    iteration: int
    max_iters: int
    input_shape: list[int]
    full: NetworkRecord
    units: list[UnitRecord]
    layers: list[str] = field(default_factory=list)
    layer_macs: list[int] = field(default_factory=list)
    budgets: list[BudgetRecord] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)

    def save(self, folder: str | os.PathLike) -> None:
        """Write ``search.json`` into a folder, all of it or none of it.

        Raises:
            OSError: If it can't be written.
        """
        # Infinite metrics are not JSON: a report has no use for them.
        text = json.dumps(_finite(dict(format=FORMAT, **asdict(self))), indent=1)
        with atomic_file(Path(folder, FILE)) as file:
            file.write(text.encode())

    @classmethod
    def load(cls, folder: str | os.PathLike) -> 'SearchRecord | None':
        """Read a folder's ``search.json``; None if there is none.

        Raises:
            DataError: If it is damaged, or of another format.
        """
        path = Path(folder, FILE)
        if not path.is_file():
            return None
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f'larger than {_MAX_BYTES >> 20} MiB')
            data = json.loads(path.read_text(encoding='utf-8'))
            if data.pop('format') != FORMAT:
                raise ValueError(f'not of format {FORMAT}')
            return cls(
                **{
                    **data,
                    'full': NetworkRecord(**data['full']),
                    'units': [UnitRecord(**row) for row in data['units']],
                    'budgets': [_budget(row) for row in data['budgets']],
                }
            )
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: can't be read ({first_line(error)}); it was written by "
                'another version, or damaged: move it away to make the report '
                'without it'
            ) from error

    def budget(self, name: str) -> BudgetRecord | None:
        """The entry of a subnet file's stem."""
        return next((b for b in self.budgets if b.name == name), None)


def _budget(data: Mapping[str, Any]) -> BudgetRecord:
    known = {entry.name for entry in fields(BudgetRecord)}
    if set(data) - known:
        raise ValueError(f'unknown key {min(set(data) - known)!r}')
    return BudgetRecord(
        **{
            **data,
            'history': [Moment(**row) for row in data['history']],
            'candidates': [NetworkRecord(**row) for row in data['candidates']],
        }
    )


def _finite(value: Any) -> Any:
    """A value with None in place of numbers that JSON can't hold."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
