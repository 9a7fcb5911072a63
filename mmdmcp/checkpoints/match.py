"""Whether weights are a model's, and where a model says that its own come from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.model.weight_init import PretrainedInit
from torch import nn

from ..errors import CheckpointError


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


def require_fit(
    model: nn.Module,
    weights: Mapping[str, Any],
    remedy: str = 'Give the checkpoint that was trained with this subnet file',
) -> None:
    """Every weight of a model must be there, in its shape.

    Args:
        model: The model.
        weights: By the names that the model has for them.
        remedy: What to do, for the message. Defaults to what holds for a
            pruned model.

    Raises:
        CheckpointError: Naming weights that are not. The message does not
            name the file.
    """
    fit = compare(model, weights)
    for name in fit.mismatched:
        raise CheckpointError(
            f'does not fit: {name} is {list(weights[name].shape)} there and '
            f'{list(model.state_dict()[name].shape)} here. {remedy}'
        )
    if fit.missing:
        raise CheckpointError(
            f'lacks {len(fit.missing)} weights of the '
            f'{type(model).__name__}: {", ".join(fit.missing[:3])}. {remedy}, '
            'and its prefix if the names there have one'
        )


def under(prefix: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights whose names begin with a prefix, without it.

    Args:
        prefix: With or without a dot at its end.
        weights: By name.

    Raises:
        CheckpointError: If there are none. The message does not name the
            file.
    """
    prefix = prefix.rstrip('.') + '.'
    found = {
        name[len(prefix) :]: value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    if not found:
        heads = sorted({name.partition('.')[0] for name in weights})
        raise CheckpointError(
            f'has no weights under {prefix!r}; its names begin with '
            + ', '.join(heads[:6])
        )
    return found
