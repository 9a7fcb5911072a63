"""What a kind of layer is, and how it is found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import ConfigError, TraceError

Dims = tuple[str | None, ...]
_DIMS = ('in', 'out', 'in/groups', 'out/groups', None)
_SIDES = ('in', 'out', 'groups')
# Kinds by the type of layer they know, the last defined first.
_KINDS: dict[type, list['LayerKind']] = {}


class LayerKind:
    """Where a layer's channels are, how it is narrowed, what it costs.

    A subclass that sets :attr:`types` registers itself; it has no state,
    and each of its methods is told the layer. Of several kinds that know a
    type, the one defined last is asked first.

    Attributes:
        types: Types of layers that it knows, subclasses included.
        noun: What messages call such a layer.
        tensors: Parameters and buffers, each with what its dimensions
            count: ``'in'``, ``'out'``, one of them over ``'/groups'``, or
            None for a dimension that stays. Dimensions that are not listed
            stay, too.
        sizes: Attributes that hold the number of ``'in'``, ``'out'`` or
            ``'groups'``. Where none is ``'in'`` the layer has the same
            channels at its inputs and outputs.
        makes_channels: Whether its outputs are channels of their own, each
            computed from all inputs of its group. Otherwise it passes on
            what it is given: output ``i`` belongs to input ``i // m``,
            where ``m`` is outputs over inputs.
        normalises: Whether it undoes a scale of its inputs.
        scalable: Whether its outputs may have to be scaled. Not if scaled
            inputs alone give scaled outputs.
        groups_follow: Whether every input has a group of its own, so that
            their number changes with the inputs.

    Example:
        >>> class PositionwiseKind(LayerKind):
        ...     types = (Positionwise,)
        ...     tensors = {'matrix': ('in', 'out'), 'shift': ('out',)}
        ...     sizes = {'width_in': 'in', 'width_out': 'out'}
        ...     makes_channels = True
    """

    types: ClassVar[tuple[type[nn.Module], ...]] = ()
    noun: ClassVar[str] = 'a layer'
    tensors: ClassVar[Mapping[str, Dims]] = {}
    sizes: ClassVar[Mapping[str, str]] = {}
    makes_channels: ClassVar[bool] = False
    normalises: ClassVar[bool] = False
    scalable: ClassVar[bool] = True
    groups_follow: ClassVar[bool] = False

    def __init_subclass__(cls, **options) -> None:
        super().__init_subclass__(**options)
        _check(cls)
        if 'types' in vars(cls):
            for layer in cls.types:
                _KINDS.setdefault(layer, []).insert(0, cls())

    def takes(self, module: nn.Module) -> bool:
        """Whether this layer, of one of the types, is of this kind."""
        return True

    # ---- channels ----------------------------------------------------

    def size(self, module: nn.Module, side: str) -> int:
        """Number of ``'in'`` or ``'out'`` channels."""
        for attribute, counted in self.sizes.items():
            if counted == side:
                return getattr(module, attribute)
        return self.size(module, 'out')  # the same go in and come out

    @property
    def has_inputs(self) -> bool:
        """Whether its inputs are counted apart from its outputs."""
        return 'in' in self.sizes.values()

    def groups(self, module: nn.Module) -> int:
        """Equal parts of the channels that the layer treats apart."""
        return 1

    def new_sizes(self, ins: int, outs: int, groups: int) -> dict[str, object]:
        """Values of the :attr:`sizes` of a narrower layer."""
        counts = {'in': ins, 'out': outs, 'groups': groups}
        return {name: counts[side] for name, side in self.sizes.items()}

    def channel_dim(
        self, module: nn.Module, shape: Sequence[int], varying: Sequence[int] = ()
    ) -> int:
        """The dimension of its input and output that holds the channels.

        Args:
            module: The layer.
            shape: Shape of an input, or of an output.
            varying: Dimensions along which the input's channels are known
                to lie.
        """
        return 1

    def keeps_whole(self, module: nn.Module) -> str | None:
        """Why it can't be narrowed, if it can't."""
        return None

    def sliding_dim(
        self, module: nn.Module, x: Tensor, y: Tensor, varying: Sequence[int]
    ) -> int | None:
        """The dimension along which it slides over the channels, as ECA's
        convolution does; None if it has channels of its own.

        Args:
            module: The layer.
            x: Its input.
            y: Its output.
            varying: Dimensions along which the input's channels lie.
        """
        return None

    # ---- cost --------------------------------------------------------

    def parameters(self, module: nn.Module) -> dict[str, int]:
        """Parameters ``'pair'``: for one output and one input that it is
        computed from, ``'out'``: for one output, ``'in'``: for one input."""
        found = {'pair': 0, 'out': 0, 'in': 0}
        ins, outs = self.size(module, 'in'), self.size(module, 'out')
        groups = self.groups(module)
        for name, dims in self.tensors.items():
            parameter = module._parameters.get(name)
            if parameter is None:
                continue
            sides = {dim.partition('/')[0] for dim in dims if dim}
            if sides == {'in', 'out'}:
                found['pair'] += parameter.numel() * groups // (ins * outs)
            elif sides:
                (side,) = sides
                found[side] += parameter.numel() // (ins if side == 'in' else outs)
        return found

    def kernel(self, module: nn.Module) -> int:
        """Multiply-accumulates at one position, for one output and one
        input that it is computed from.

        Defaults to one for each weight between the two.
        """
        return self.parameters(module)['pair']

    def positions(self, module: nn.Module, x: Tensor, y: Tensor) -> int:
        """At how many positions of one sample the weights are applied.

        Args:
            module: The layer.
            x: Its input, of one sample.
            y: Its output. Defaults to its positions.
        """
        return y.numel() // y.size(self.channel_dim(module, y.shape))

    # ---- scaling -----------------------------------------------------

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        """Multiply the layer's tensors such that its outputs are scaled.

        Saves a pass over the feature map. By default it leaves them alone:
        the outputs of a layer that makes or normalises channels are then
        multiplied, and those of another follow from its inputs.

        Args:
            tensors: Its parameters at the chosen width, to be replaced.
            scale: Of its outputs, ``[out]``.

        Returns:
            Whether nothing is left to be done to the outputs.
        """
        return not (self.makes_channels or self.normalises)

    def open_forward(
        self, module: nn.Module
    ) -> Callable[[Any, Tensor, Tensor], Tensor] | None:
        """A forward that leaves closed channels out of what is computed
        over channels; None if the layer needs none, or has none.

        It takes the layer, its input and how far each channel is open.
        """
        return None

    def by_output(self, module: nn.Module) -> list[Tensor]:
        """Parameters that belong to outputs, each as ``[out, ...]``."""
        found = []
        for name, dims in self.tensors.items():
            parameter = module._parameters.get(name)
            if parameter is None:
                continue
            if 'out' in dims:
                found.append(parameter.movedim(dims.index('out'), 0))
            elif 'out/groups' in dims:
                dim = dims.index('out/groups')
                parts = parameter.chunk(self.groups(module))
                found.append(torch.cat([p.movedim(dim, 0) for p in parts]))
        return found


def kind_of(module: nn.Module | None) -> LayerKind | None:
    """The kind of a layer; None for other modules."""
    if module is None:
        return None
    for layer in type(module).__mro__:
        for kind in _KINDS.get(layer, ()):
            if kind.takes(module):
                return kind
    return None


def known_kind(module: nn.Module) -> LayerKind:
    """The kind of a layer that has one.

    Raises:
        TraceError: If it has none.
    """
    kind = kind_of(module)
    if kind is None:
        raise TraceError(
            f'no LayerKind knows a {type(module).__name__}; describe it in a '
            'class of its own (docs/layer_kinds.md)'
        )
    return kind


def _check(kind: type[LayerKind]) -> None:
    """Refuse a kind that says what nothing understands.

    Raises:
        ConfigError: Naming the kind, the attribute and what it may hold.
    """
    wrong = [d for dims in kind.tensors.values() for d in dims if d not in _DIMS]
    if wrong:
        raise ConfigError(
            f'{kind.__name__}.tensors: a dimension is {wrong[0]!r}; it can be '
            + ', '.join(map(repr, _DIMS))
        )
    wrong = [side for side in kind.sizes.values() if side not in _SIDES]
    if wrong:
        raise ConfigError(
            f'{kind.__name__}.sizes: an attribute counts {wrong[0]!r}; it can be '
            + ', '.join(map(repr, _SIDES))
        )
    if vars(kind).get('types') and 'out' not in kind.sizes.values():
        raise ConfigError(
            f"{kind.__name__}.sizes: no attribute counts 'out', the layer's outputs"
        )
