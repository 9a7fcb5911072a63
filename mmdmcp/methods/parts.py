"""Build an algorithm's parts from a config; wrong ones are refused by name."""

from typing import TYPE_CHECKING, Any

from mmengine.model import BaseModel
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from ..checkpoints import initialisers
from ..errors import ConfigError, shown
from ..options import number
from ..registry import MODELS, build
from .mutator import ChannelMutator

if TYPE_CHECKING:
    from .algorithm import PruningAlgorithm


def build_architecture(
    architecture: dict | nn.Module | None, data_preprocessor: dict | None
) -> BaseModel:
    """The model that is pruned.

    Args:
        architecture: Its config, or the model.
        data_preprocessor: For a config that has none.

    Raises:
        ConfigError: If it is neither, or no model of MMEngine.
    """
    is_config = isinstance(architecture, dict) and 'type' in architecture
    if not is_config and not isinstance(architecture, nn.Module):
        raise ConfigError(
            f'architecture={shown(architecture)}: give the config '
            'of a model, a dict with its type, or a module'
        )
    if isinstance(architecture, dict):
        architecture = dict(architecture)
        if data_preprocessor is not None:
            architecture.setdefault('data_preprocessor', data_preprocessor)
        architecture = build('architecture', architecture)
    if not isinstance(architecture, BaseModel):
        raise ConfigError(
            f'architecture: a {type(architecture).__name__} is no model '
            'of MMEngine (mmengine.model.BaseModel), which the Runner '
            'can validate: give one of an OpenMMLab package, or '
            'mmdmcp.TorchvisionClassifier for a network of torchvision'
        )
    return architecture


def build_mutator(
    method: 'type[PruningAlgorithm]', mutator: dict | None
) -> ChannelMutator:
    """The mutator of a method.

    Args:
        method: Class of the algorithm.
        mutator: Its config; the type may be left out.

    Raises:
        ConfigError: If it is another method's.
    """
    built = build('mutator', {'type': method.default_mutator, **(mutator or {})})
    if not isinstance(built, MODELS.get(method.default_mutator)):
        raise ConfigError(
            f'mutator: a {type(built).__name__} is not one of '
            f"{method.__name__}'s: leave its type out, or "
            f'give {method.default_mutator}'
        )
    return built


def check_parts(
    mutator: Any, input_shape: Any, data_preprocessor: Any, init_cfg: Any
) -> None:
    """What the host's own classes would answer with a traceback, the last of
    them only when the training begins.

    Raises:
        ConfigError: Naming the option.
    """
    if not isinstance(mutator, (dict, type(None))):
        raise ConfigError(f'mutator={shown(mutator)}: give its options as a dict')
    if not isinstance(input_shape, (list, tuple)) or len(input_shape) != 3:
        raise ConfigError(
            f'input_shape={shown(input_shape)}: give channels, '
            'height and width, such as (3, 224, 224)'
        )
    for size in input_shape:
        number('input_shape: size', size, low=1, whole=True)
    if not isinstance(data_preprocessor, (dict, nn.Module, type(None))):
        raise ConfigError(
            f'data_preprocessor={shown(data_preprocessor)}: give its options as a dict'
        )
    for entry in initialisers(init_cfg):
        if not isinstance(entry, dict):
            raise ConfigError(
                f'init_cfg={shown(init_cfg)}: give the config of an initialiser, '
                "such as dict(type='Pretrained', checkpoint=...), or a list of them"
            )
        options = {key: value for key, value in entry.items() if key != 'override'}
        build('init_cfg', options, WEIGHT_INITIALIZERS)
