"""From a user's model to a supernet, without touching the model."""

import copy
import os
from collections.abc import Sequence

import torch
from torch import nn

from ..errors import ConfigError, TraceError, first_line
from ..latency import Profile, attach
from ..ranking import check_divisor, resolve_divisor
from ..ranking.select import Divisor
from ..supernet import Supernet
from ..supernet.binding import WithoutGraphs
from .inputs import ExampleInputs, runner, sample_shape


def traced_copy(
    model: nn.Module,
    example_inputs: ExampleInputs,
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
) -> Supernet:
    """A supernet of a copy of the model, on the CPU.

    Any of a unit's channels may be dropped, not only the last ones.

    Args:
        model: Any module; stays as it is.
        example_inputs: What it is called with.
        scope: Prefixes of the names of units to prune; None for all.
        exclude: Layers that keep their channels, by prefixes of their names or
            regular expressions of whole ones.

    Raises:
        ConfigError: If the model is no module.
        TraceError: If it can't be copied, traced or pruned.
    """
    copied = cpu_copy(model)
    run = runner(copied, example_inputs, 'cpu')
    return Supernet(copied, sample_shape(example_inputs), scope, True, run, exclude)


def read_profile(
    supernet: Supernet, path: str | os.PathLike | None, divisor: int | str
) -> Divisor:
    """Let a supernet's cost include its latency, if there is a profile.

    Args:
        supernet: The supernet.
        path: The profile's file.
        divisor: As users write it.

    Returns:
        The divisor in numbers.

    Raises:
        ConfigError: If the divisor is out of range, or needs a profile.
        ProfileError: If the profile is missing, damaged, or of another model.
    """
    check_divisor('divisor', divisor)
    multiple = None
    if path is not None:
        profile = Profile.load(path)
        attach(supernet.cost, len(supernet.units), supernet.input_shape, profile)
        multiple = profile.multiple
    return resolve_divisor('divisor', divisor, multiple)


def cpu_copy(model: nn.Module) -> nn.Module:
    """A copy of a module, on the CPU.

    Raises:
        ConfigError: If the model is no module.
        TraceError: If it can't be copied.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f'model: a {type(model).__name__} is no torch.nn.Module')
    try:
        with WithoutGraphs():
            return copy.deepcopy(model).cpu()
    except Exception as error:
        raise TraceError(
            f"{type(model).__name__} can't be copied ({first_line(error)}): it "
            'holds something that is no weight, such as an open file or a lock. Take '
            'that out, or build the model anew'
        ) from error


def device_of(model: nn.Module) -> torch.device:
    """Where the first of a model's parameters is."""
    return next((p.device for p in model.parameters()), torch.device('cpu'))
