"""What both methods are to a Runner: a model, its mutator and a target."""

from collections.abc import Mapping, Sequence

from mmengine.model import BaseModel
from torch import Tensor, nn

from ..cost import parse_target
from ..errors import CheckpointError, ConfigError
from ..options import number
from ..registry import MODELS
from ..subnet import Subnet, apply
from .schedule import Clock

#: What a mutator's ``choose`` takes: a way to choose, channels by the name of
#: the unit, or those of all units.
Choice = str | Mapping | Sequence
#: What a target may count, in words.
COUNTED = {'macs': 'multiply-accumulates', 'params': 'parameters'}


class PruningAlgorithm(BaseModel):
    """Builds the architecture and its mutator, and knows what they cost.

    A method's mutator offers ``prepare(architecture, input_shape)``,
    ``choose(how)`` (channels of all units, in whatever form), ``chosen``
    (those that the network runs with), ``set_widths(how)`` and
    ``cost_of(chosen)``.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module.
        target: Cost to end at: ``'2.2G'``, ``'50%'`` or a number.
        measure: What it counts, ``'macs'`` or ``'params'``.
        mutator: Config of the mutator; its type defaults to the method's.
        schedule: Counts the iterations.
        input_shape: Channels, height and width that costs are computed for.
        data_preprocessor: For the architecture, if it has none.
        init_cfg: As in MMEngine.

    Attributes:
        method (str): What subnet files call the method.
        default_mutator (str): Type of its mutator.
        full_cost (int): Cost of the full model, in what the target counts.
        target (int): Cost aimed at.

    Raises:
        ConfigError: If an option is of the wrong type, the architecture is
            no model of MMEngine, or the mutator another method's.
        TargetError: If the target can't be read or is above the full model.
        TraceError: If the model can't be traced or pruned.
    """

    method: str
    default_mutator: str

    def __init__(
        self,
        architecture: dict | nn.Module,
        target: str | float,
        measure: str,
        mutator: dict | None,
        schedule: Clock,
        input_shape: Sequence[int],
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        _check_types(architecture, mutator, input_shape)
        if isinstance(architecture, dict):
            architecture = dict(architecture)
            if data_preprocessor is not None:
                architecture.setdefault('data_preprocessor', data_preprocessor)
            architecture = MODELS.build(architecture)
        if not isinstance(architecture, BaseModel):
            raise ConfigError(
                f'architecture: a {type(architecture).__name__} is no model '
                'of MMEngine (mmengine.model.BaseModel), which the Runner '
                'can validate: give one of an OpenMMLab package, or '
                'mmdmcp.TorchvisionClassifier for a network of torchvision'
            )
        super().__init__(
            getattr(architecture, 'data_preprocessor', data_preprocessor), init_cfg
        )
        self.architecture = architecture
        self.measure = measure
        self.schedule = schedule
        self.input_shape = tuple(input_shape)
        self.mutator = MODELS.build({'type': self.default_mutator, **(mutator or {})})
        own = MODELS.get(self.default_mutator)
        if not isinstance(self.mutator, own):
            raise ConfigError(
                f'mutator: a {type(self.mutator).__name__} is not one of '
                f"mmdmcp.{type(self).__name__}'s: leave its type out, or "
                f'give {self.default_mutator}'
            )
        self.mutator.prepare(architecture, self.input_shape)
        self.full_cost = self.mutator.cost_of(self.mutator.choose('max'))[measure]
        self.target = parse_target(target, self.full_cost, COUNTED[measure])
        self._register_load_state_dict_pre_hook(self._accept_plain)

    def set_widths(self, how: Choice) -> list[int]:
        """Run with other channels from now on; see the mutator's ``choose``.

        Returns:
            The number of channels, one a unit.
        """
        return self.mutator.set_widths(how)

    def cost(self) -> dict[str, int]:
        """``{'macs': int, 'params': int}`` of the current channels."""
        return self.mutator.cost_of(self.mutator.chosen)

    def export_subnet(self, how: Choice | None = None) -> Subnet:
        """The network with the given (default: the current) channels, as a
        file has it."""
        mutator = self.mutator
        chosen = mutator.chosen if how is None else mutator.choose(how)
        return mutator.supernet.subnet(chosen, self.method, {self.measure: self.target})

    def cut(self, how: Choice | None = None) -> nn.Module:
        """A static copy of the network with the given (default: the
        current) channels, and their weights.

        The same as the full model made small by :meth:`export_subnet`'s
        file.
        """
        subnet = self.export_subnet(how)
        return apply(self.mutator.supernet.plain_copy(), subnet)

    def get_extra_state(self) -> Tensor:
        """Where the training stands."""
        return self.schedule.state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.schedule.restore(state)

    def _accept_plain(self, state_dict: dict, prefix: str, *_) -> None:
        """Let a checkpoint of the plain model load: ``load_from``.

        It says nothing about the mutator, which stays as it is.

        Raises:
            CheckpointError: If the checkpoint is one of another method.
        """
        inner = prefix + 'architecture.'
        if not any(key.startswith(inner) for key in state_dict):
            for key in [k for k in state_dict if k.startswith(prefix)]:
                state_dict[inner + key[len(prefix) :]] = state_dict.pop(key)
            for key, value in self.state_dict(prefix=prefix).items():
                if not key.startswith(inner):
                    state_dict.setdefault(key, value)
            return
        own = {name for name, _ in self.mutator.named_parameters()}
        start = prefix + 'mutator.'
        found = {key[len(start) :] for key in state_dict if key.startswith(start)} - {
            '_extra_state'
        }
        if found and not found & own:
            raise CheckpointError(
                f'the checkpoint is one of another method: it has mutator.'
                f'{min(found)}, a {type(self).__name__} has mutator.'
                f'{min(own)}. Give one of this method, or one of the plain '
                'network'
            )


def _check_types(
    architecture: dict | nn.Module,
    mutator: dict | None,
    input_shape: Sequence[int],
) -> None:
    is_config = isinstance(architecture, dict) and 'type' in architecture
    if not is_config and not isinstance(architecture, nn.Module):
        raise ConfigError(
            f'architecture={architecture!r}: give the config '
            'of a model, a dict with its type, or a module'
        )
    if not isinstance(mutator, (dict, type(None))):
        raise ConfigError(f'mutator={mutator!r}: give its options as a dict')
    if not isinstance(input_shape, (list, tuple)) or len(input_shape) != 3:
        raise ConfigError(
            f'input_shape={input_shape!r}: give channels, '
            'height and width, such as (3, 224, 224)'
        )
    for size in input_shape:
        number('input_shape: size', size, low=1, whole=True)
