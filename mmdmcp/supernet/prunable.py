"""Which units can be pruned: decided by running the model narrow."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import nn

from ..channels.groups import Trace
from ..errors import failure
from ..layers import kind_of, known_kind
from .gate_sites import GateSites
from .sample_run import SampleRuns
from .units import InOut, sliced_layers
from .zeroed import odd_width, same_when_zeroed


@torch.no_grad()
def find_prunable(
    model: nn.Module,
    trace: Trace,
    layouts: dict[str, InOut],
    first: dict[int, str],
    scope: Sequence[str] | None,
    runs: SampleRuns,
    sites: GateSites | None = None,
    refused: Mapping[int, str] = MappingProxyType({}),
) -> tuple[list[int], list[tuple[str, str]]]:
    """Sort the trace's groups into prunable ones and others.

    Args:
        model: The model, in eval mode.
        trace: What the analyzer found.
        layouts: Layouts of every layer.
        first: First layer of each group.
        scope: Prefixes of names to prune; None for all.
        runs: Samples through the model.
        sites: Where channels are scaled. If given, any channels of a unit
            must be prunable, and zeroing them must give what dropping them
            gives.
        refused: Groups that are not to be tried, each with the reason.

    Returns:
        Groups that can be pruned, in the model's order; and the names of
        the others, each with its reason.
    """
    candidates, others = [], list(trace.fixed)
    for group, name in first.items():
        reason = refused.get(group) or _refuse(group, name, trace, scope)
        if reason is None:
            candidates.append(group)
        else:
            others.append((name, reason))
    trial = _Trial(model, trace.sizes, layouts, runs.everything)
    for ratio in (0.37, 0.67):
        candidates, failed = _split(candidates, lambda g: trial(g, ratio))
        others += [(first[g], reason) for g, reason in failed]
    if sites is not None:
        candidates, failed = same_when_zeroed(
            model, trace, layouts, candidates, runs, sites, _split
        )
        others += [(first[g], reason) for g, reason in failed]
    order = {name: i for i, name in enumerate(layouts)}
    return candidates, sorted(dict.fromkeys(others), key=lambda x: order[x[0]])


class _Trial:
    """Runs the model with some groups narrow.

    Args:
        model: The model.
        sizes: Channels of each group.
        layouts: Layouts of every layer.
        run: Runs one sample.
    """

    def __init__(
        self,
        model: nn.Module,
        sizes: Sequence[int],
        layouts: dict[str, InOut],
        run: Callable[[], object],
    ) -> None:
        self.model, self.sizes, self.layouts = model, sizes, layouts
        self.run = run
        self.reference = _shapes(run())

    def __call__(self, groups: Sequence[int], ratio: float) -> str | None:
        """Why it can't be done at about that ratio of the channels; None if
        it can."""
        numbers = {g: i for i, g in enumerate(groups)}
        layers = sliced_layers(self.model, self.layouts, numbers)
        full = [self.sizes[g] for g in groups]
        # Odd widths that are no simple fraction of the full one, and differ
        # between neighbours: code that halves, shuffles or broadcasts
        # channels must not pass by luck.
        widths = [
            odd_width(size, ratio * (0.6, 1.0, 1.4)[i % 3])
            for i, size in enumerate(full)
        ]
        for layer in layers:
            layer.attach(self.model)
            layer.select(widths)
        try:
            if _shapes(self.run()) != self.reference:
                return "the shape of the model's output would change"
        except Exception as error:
            return f'the model fails with fewer channels ({failure(error)})'
        finally:
            for layer in layers:
                layer.select(full)
                layer.detach(self.model)
        return None


def _refuse(
    group: int, name: str, trace: Trace, scope: Sequence[str] | None
) -> str | None:
    """Why a group can't be pruned, as far as that is known beforehand."""
    if trace.sizes[group] < 2:
        if trace.layouts[name][1].size == 1:
            return 'it has one channel'
        where = trace.ties.get(group)
        where = f' ({where})' if where else ''
        return f'its channels are all tied to one another{where}'
    if scope is not None and not any(
        name == s or name.startswith(s.rstrip('.') + '.') for s in scope
    ):
        return 'outside the scope that the config asks for'
    return None


def _split(groups: list[int], attempt: Callable):
    """Bisect: the groups that run narrow together, and the others."""
    if not groups:
        return [], []
    reason = attempt(groups)
    if reason is None:
        return list(groups), []
    if len(groups) == 1:
        return [], [(groups[0], reason)]
    half = len(groups) // 2
    left, left_failed = _split(groups[:half], attempt)
    right, right_failed = _split(groups[half:], attempt)
    failed = left_failed + right_failed
    good = left + right
    if good and not failed and attempt(good) is not None:
        # Each half runs, but not both together: keep the first.
        return left, [
            (g, "can't be pruned together with the units before it") for g in right
        ]
    return good, failed


def _shapes(output: object):
    """Nested shapes of a model's output."""
    if isinstance(output, torch.Tensor):
        return tuple(output.shape)
    if isinstance(output, dict):
        return {key: _shapes(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [_shapes(value) for value in output]
    return type(output)


def unmet_layers(model: nn.Module, trace: Trace) -> list[str]:
    """Names of layers of a kind that is pruned which no pass ran."""
    return [
        name
        for name, module in model.named_modules()
        if kind_of(module) is not None and name not in trace.layouts
    ]


def unseen_readers(
    model: nn.Module, trace: Trace, unmet: Sequence[str], untried: str | None
) -> dict[int, str]:
    """Groups that a layer which ran in no pass may read, by its size.

    Args:
        model: The model.
        trace: What the passes showed.
        unmet: Layers that they did not run.
        untried: Why what training runs could not be tried; None if it was,
            and the layers are not used at all.

    Returns:
        The groups, each with the reason to leave it whole.
    """
    refused: dict[int, str] = {}
    if untried is None:
        return refused
    readers: dict[int, str] = {}
    for name in unmet:
        module = model.get_submodule(name)
        readers.setdefault(known_kind(module).size(module, 'in'), name)
    for _, outputs in trace.layouts.values():
        reader = readers.get(outputs.size)
        if reader is not None:
            for group in outputs.units:
                refused.setdefault(
                    group,
                    f'{reader} takes as many channels and may read them in '
                    f'training, which could not be tried ({untried})',
                )
    return refused


def left_out(
    excluded: Mapping[str, Sequence[str]], layouts: Mapping[str, InOut]
) -> dict[int, str]:
    """Groups whose channels a layer has that was excluded.

    Args:
        excluded: Layers that each entry of an ``exclude`` names.
        layouts: Layouts of every layer.

    Returns:
        The groups, each with the reason to leave it whole.
    """
    return {
        group: f'{layer} is excluded by {entry!r}'
        for entry, layers in excluded.items()
        for layer in layers
        for group in layouts[layer][1].units
    }
