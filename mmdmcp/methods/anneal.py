"""A learning rate that follows the length of the search."""

import math
from typing import Any

from mmengine.optim import CosineAnnealingLR

from ..errors import ConfigError
from ..registry import PARAM_SCHEDULERS
from .schedule import check_point

_FOREVER = int(1e9)  # MMEngine's, where no end is given


@PARAM_SCHEDULERS.register_module()
class SearchCosineLR(CosineAnnealingLR):
    """Cosine annealing from some point of the run to its end.

    MMEngine's counts its beginning in epochs: in a run of another length it
    comes too late, or never. Here ``begin`` may be a ratio of the run, as
    ``arch_start`` is.

    Args:
        optimizer: What it sets the rate of.
        begin: When it begins: a ratio of the run (float), or an epoch (int).
        end: When it ends; the Runner sets it to the end of the run.
        **options: Those of MMEngine's ``CosineAnnealingLR``.

    Raises:
        ConfigError: If ``begin`` is neither, or a ratio of no known end.

    Example:
        >>> param_scheduler = dict(
        ...     type='mmdmcp.SearchCosineLR', begin=0.5, eta_min_ratio=0.2)
    """

    def __init__(
        self,
        optimizer: Any,
        *args: Any,
        begin: int | float = 0,
        end: int = _FOREVER,
        **options: Any,
    ) -> None:
        begin = int(_counted(begin, end))
        super().__init__(optimizer, *args, begin=begin, end=end, **options)

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        begin: int | float = 0,
        end: int = _FOREVER,
        **options: Any,
    ) -> 'SearchCosineLR':
        """The same, counted in iterations: half of three epochs is one and
        a half."""
        begin = _counted(begin, end)
        return super().build_iter_from_epoch(*args, begin=begin, end=end, **options)


def _counted(begin: int | float, end: int) -> int | float:
    """A ratio of the run as a count, with a fraction."""
    check_point('param_scheduler: begin', begin)
    if not isinstance(begin, float):
        return begin
    if end >= _FOREVER or not math.isfinite(end):
        raise ConfigError(
            f'param_scheduler: begin={begin} is a ratio of an end that is not '
            'known: give end, or begin as an epoch'
        )
    return begin * end
