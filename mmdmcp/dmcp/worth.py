"""What the width of each unit is worth, as the sampled networks tell. Pure torch.

Stage 1 runs two networks of random widths on the same batch with the same weights.
By the model of :mod:`mmdmcp.ranking.balanced` the difference of the logarithms of
their losses is linear in k, and free of what both have in common; least squares
over many iterations gives k. One k serves every budget.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: How much of the worth of units is what the pairs say. Where tables know the truth
#: this is at least as good as more of it and as none (docs/results.md).
TRUST = 0.25


class Worth(nn.Module):
    """Least squares over pairs of networks.

    Args:
        alike: k of each unit as a share of their sum, ``[units]``, as long as no
            pair has said anything.
    """

    def __init__(self, alike: Tensor) -> None:
        super().__init__()
        self._alike = alike
        count = len(alike)
        self.register_buffer('gram', torch.zeros(count, count, dtype=torch.float64))
        self.register_buffer('moment', torch.zeros(count, dtype=torch.float64))
        self.gram: Tensor
        self.moment: Tensor

    @torch.no_grad()
    def add(self, widths: Sequence[Sequence[int]], losses: Tensor) -> None:
        """Take in a pair.

        Args:
            widths: Of two networks, one for each unit.
            losses: Of both on the same batch, ``[2]``. A pair of which one is
                not a positive number says nothing.
        """
        sizes = torch.tensor(widths, dtype=torch.float64).log()
        less = (sizes[1] - sizes[0]).to(self.moment)
        logs = losses.to(self.moment).log()
        worse = logs[0] - logs[1]
        less = torch.where(worse.isfinite(), less, 0.0)
        self.gram += less[:, None] * less
        self.moment += less * worse.nan_to_num(0.0, 0.0, 0.0)

    @torch.no_grad()
    def shares(self, trust: float = TRUST) -> Tensor:
        """k of each unit as a share of their sum: a part of it as the pairs say, the
        rest as if each layer were worth the same.

        A supernet's narrow networks share their weights with wide ones, and
        the fewer images it has met, the less they tell of networks that train
        on their own.

        Args:
            trust: How much of it the pairs say.

        Returns:
            ``[units]`` float64, on the CPU.
        """
        gram, moment, alike = self.gram.cpu(), self.moment.cpu(), self._alike
        # Of too few pairs, the shortest solution.
        found = (torch.linalg.pinv(gram, hermitian=True) @ moment).clamp(min=0)
        total = found.sum()
        return alike if total == 0 else torch.lerp(alike, found / total, trust)
