"""Whether weights are a model's, and where a model says that its own come from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.model.weight_init import PretrainedInit
from torch import nn


class Fit(NamedTuple):
    """How weights fit a model, by the model's names.

    Counters of batches are in none of the lists: nothing depends on them,
    and checkpoints from elsewhere often lack them.

    Attributes:
        fitting: There, in the right shape.
        mismatched: There, in another shape.
        missing: Not there.
    """

    fitting: list[str]
    mismatched: list[str]
    missing: list[str]


def initialisers(init_cfg: Any) -> list[Any]:
    """What stands in an ``init_cfg``: one initialiser, several, or none."""
    if isinstance(init_cfg, (list, tuple)):
        return list(init_cfg)
    return [] if init_cfg is None else [init_cfg]


def is_pretrained(entry: Any) -> bool:
    """Whether one initialiser of an ``init_cfg`` loads a checkpoint."""
    kind = entry.get('type') if isinstance(entry, Mapping) else None
    # With or without a scope: 'mmengine.Pretrained' is the same one.
    return kind is PretrainedInit or (
        isinstance(kind, str) and kind.rpartition('.')[2] == 'Pretrained'
    )


def compare(model: nn.Module, weights: Mapping[str, Any]) -> Fit:
    """See which of a model's weights are among the given ones.

    Args:
        model: The model.
        weights: By the names that the model has for them.
    """
    fit = Fit([], [], [])
    for name, value in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        found = getattr(weights.get(name), 'shape', None)
        if found is None:
            fit.missing.append(name)
        elif found != value.shape:
            fit.mismatched.append(name)
        else:
            fit.fitting.append(name)
    return fit
