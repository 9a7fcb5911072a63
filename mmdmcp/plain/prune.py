"""Prune any module in one call."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..cost import Budget, parse_budgets
from ..cost.budget import Targets
from ..errors import ConfigError, TargetError
from ..options import number
from ..ranking import (
    channel_scores,
    choose_channels,
    normalise,
    taylor_saliency,
    width_steps,
)
from ..ranking.select import Divisor
from ..report.tables import network_table
from ..subnet import Subnet, apply
from ..supernet import Supernet
from .inputs import ExampleInputs
from .tracing import device_of, read_profile, traced_copy

METHODS = ('importance',)


@dataclass(frozen=True)
class Pruned:
    """A small model, and what became of the full one; printed, a table.

    Attributes:
        model: The small model, with the weights of what it kept, on the
            device and in the mode of the full one. To be fine-tuned.
        subnet: What it keeps; ``subnet.save('NAME.yaml')`` writes the file
            from which :func:`mmdmcp.apply` makes another full model small.
        before: ``{'macs': int, 'params': int}`` of the full model, with
            ``latency_us`` where a profile was given.
        after: The same of the small one.
    """

    model: nn.Module
    subnet: Subnet
    before: dict[str, int]
    after: dict[str, int]

    def __str__(self) -> str:
        rows: list[Any] = [('full', self.before, {}), ('pruned', self.after, {})]
        units = self.subnet.units.values()
        channels = sum(unit.of for unit in units)
        kept = sum(unit.channels for unit in units)
        return (
            f'{network_table(rows)}\n'
            f'{kept} of {channels} channels are kept in {len(units)} units'
        )


def prune(
    model: nn.Module,
    target: Targets,
    example_inputs: ExampleInputs,
    method: str = 'importance',
    *,
    criterion: str = 'l2',
    normalisation: str = 'mean',
    readers: bool = False,
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    min_ratio: float = 0.1,
    divisor: int | str = 1,
    tolerance: float = 0.01,
    batches: Iterable[Any] | None = None,
    loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
    profile: str | os.PathLike | None = None,
) -> Any:
    """Make a trained model small, in one shot.

    The channels of all units are ordered by importance, and the least
    important ones removed until the cost is at the target. Fine-tune the
    result: it has lost what was removed.

    Args:
        model: Any module, trained; stays as it is.
        target: What the small model may cost: ``'50%'`` or ``'1.8G'``
            multiply-accumulates, a number of them, ``dict(params='5M')``,
            ``dict(latency='3.5ms')``, or several that must all hold,
            ``dict(flops='60%', params='50%')``. A list of such for several
            small models, ``['70%', '50%']``, each from the full one.
        example_inputs: What the model is called with: a tensor, a tuple of
            arguments, or a dict of them by name. Costs are those of this
            call: give one sample.
        method: How to choose; ``'importance'``.
        criterion: What makes a channel important: ``'l1'``, ``'l2'``,
            ``'bn_scale'``, ``'size'`` or ``'taylor'``; see
            :mod:`mmdmcp.ranking.scores`.
        normalisation: What makes units comparable: ``'mean'``, ``'max'``,
            ``'sum'``, ``'l2'``, ``'gaussian'``, ``'lamp'``, ``'rank'`` (all
            units are narrowed alike) or ``'none'``.
        readers: Whether the layers that read a channel count as well.
        scope: Prefixes of the names of units to prune; None for all.
        exclude: Layers that keep their channels, by prefixes of their names or
            regular expressions of whole ones.
        min_ratio: Least ratio of its channels that a unit keeps.
        divisor: Units keep multiples of it, or all their channels; ``'auto'``
            takes what pays on the device from the profile.
        tolerance: Accepted distance from the target, as a ratio of it.
        batches: For ``'taylor'``: batches, as ``loss_fn`` takes them, on the
            CPU.
        loss_fn: For ``'taylor'``: loss of a model on a batch, a scalar.
        profile: For a target of latency: file that :func:`mmdmcp.profile`
            or ``mmdmcp profile`` wrote for this model.

    Returns:
        The small model, a :class:`Pruned`; of a list of targets, a list of them.

    Raises:
        ConfigError: If an option is unknown or out of range.
        ProfileError: If the profile is of another model or input size.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced, or nothing can be pruned.

    Example:
        >>> small = mmdmcp.prune(resnet18(), '50%', torch.rand(1, 3, 224, 224))
        >>> print(small)
        >>> train(small.model)
    """
    _check(method, criterion, batches, loss_fn)
    number('min_ratio', min_ratio, low=0, high=1)
    number('tolerance', tolerance, above=0, below=1)
    supernet = traced_copy(model, example_inputs, scope, exclude)
    steps = read_profile(supernet, profile, divisor)
    full = supernet.cost.exact(supernet.full)
    budgets = parse_budgets(target, full)
    for budget in budgets:
        _require_reachable(supernet, budget, min_ratio, steps)
    saliency = None
    if criterion == 'taylor':
        saliency = _saliency(supernet, batches, loss_fn)
    scores = [
        normalise(row, normalisation)
        for row in channel_scores(supernet, criterion, saliency, readers)
    ]

    def pruned(budget: Budget) -> Pruned:
        kept = choose_channels(
            scores,
            lambda widths: float(budget.used_at(supernet.cost, widths)),
            1.0,
            tolerance,
            min_ratio=min_ratio,
            divisor=steps,
        )
        subnet = supernet.subnet(kept, method, budget.values)
        small = apply(supernet.plain_copy(), subnet).to(device_of(model))
        after = supernet.cost.exact([len(channels) for channels in kept])
        return Pruned(small, subnet, full, after)

    found = [pruned(budget) for budget in budgets]
    return found if isinstance(target, (list, tuple)) else found[0]


def _require_reachable(
    supernet: Supernet, budget: Budget, min_ratio: float, divisor: Divisor
) -> None:
    least = supernet.cost.exact(
        [width_steps(c, min_ratio, divisor)[0] for c in supernet.full]
    )
    for limit in budget:
        amount = least[limit.measure.name]
        if amount > limit.value:
            nearest = math.ceil(1000 * amount / limit.full) / 10
            raise TargetError(
                f"the target of {limit} can't be reached: with this min_ratio and "
                f'divisor the narrowest network has {limit.measure.format(amount)}. '
                f"Raise the target to '{nearest:g}%', or lower these; "
                'print(mmdmcp.inspect(model, example_inputs)) says what is left whole'
            )


def _saliency(supernet: Supernet, batches: Any, loss_fn: Any) -> dict[str, Tensor]:
    net = supernet.model
    return taylor_saliency(net, batches, lambda batch: loss_fn(net, batch))


def _check(method: str, criterion: str, batches: object, loss_fn: object) -> None:
    if method not in METHODS:
        raise ConfigError(
            f'method={method!r}: prune() knows {METHODS}. DMCP and trainable '
            'gates learn while they train: run them by a config'
        )
    given = batches is not None and loss_fn is not None
    if criterion == 'taylor' and not given:
        raise ConfigError(
            "criterion='taylor' estimates what the loss loses with a channel: give "
            'batches, and loss_fn(model, batch)'
        )
    if criterion != 'taylor' and (batches is not None or loss_fn is not None):
        raise ConfigError(
            f"batches and loss_fn are read by criterion='taylor' only, not by "
            f'{criterion!r}: leave them out, or take that criterion'
        )
