"""What both methods are to a Runner: a model, its mutator and a target."""
from typing import Dict, List, Optional, Sequence, Union

from mmengine.model import BaseModel
from torch import Tensor, nn

from ..cost import parse_target
from ..registry import MODELS
from ..subnet import Subnet, apply
from .clock import Clock

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
        TargetError: If the target can't be read or is above the full model.
        TraceError: If the model can't be traced or pruned.
    """
    method: str
    default_mutator: str

    def __init__(self,
                 architecture: Union[dict, nn.Module],
                 target: Union[str, float],
                 measure: str,
                 mutator: Optional[dict],
                 schedule: Clock,
                 input_shape: Sequence[int],
                 data_preprocessor: Optional[dict] = None,
                 init_cfg: Optional[dict] = None) -> None:
        if isinstance(architecture, dict):
            architecture = dict(architecture)
            if data_preprocessor is not None:
                architecture.setdefault('data_preprocessor', data_preprocessor)
            architecture = MODELS.build(architecture)
        super().__init__(
            getattr(architecture, 'data_preprocessor', data_preprocessor),
            init_cfg)
        self.architecture = architecture
        self.measure = measure
        self.schedule = schedule
        self.input_shape = tuple(input_shape)
        self.mutator = MODELS.build({
            'type': self.default_mutator,
            **(mutator or {})
        })
        self.mutator.prepare(architecture, self.input_shape)
        self.full_cost = self.mutator.cost_of(
            self.mutator.choose('max'))[measure]
        self.target = parse_target(target, self.full_cost, COUNTED[measure])

    def set_widths(self, how) -> List[int]:
        """Run with other channels from now on; see the mutator's ``choose``.

        Returns:
            The number of channels, one a unit.
        """
        return self.mutator.set_widths(how)

    def cost(self) -> Dict[str, int]:
        """``{'macs': int, 'params': int}`` of the current channels."""
        return self.mutator.cost_of(self.mutator.chosen)

    def export_subnet(self, how=None) -> Subnet:
        """The network with the given (default: the current) channels, as a
        file has it."""
        mutator = self.mutator
        chosen = mutator.chosen if how is None else mutator.choose(how)
        return mutator.supernet.subnet(chosen, self.method,
                                       {self.measure: self.target})

    def cut(self, how=None) -> nn.Module:
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
