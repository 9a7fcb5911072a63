"""Parameters that no layer owns."""

from torch import Tensor

from .kind import LayerKind


class BareParameter(LayerKind):
    """One number per channel, read by the module that owns it.

    Layer scale, the two vectors of a global response norm: ``[C]``,
    ``[C, 1, 1]``, ``[1, C, 1, 1]``.
    """

    noun = 'a bare parameter'
    scalable = False

    def dim(self, parameter: Tensor) -> int:
        """The dimension of its channels: the only one with several entries,
        or else the first."""
        several = [d for d, size in enumerate(parameter.shape) if size > 1]
        return several[0] if len(several) == 1 else 0
