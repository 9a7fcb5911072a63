"""The Markov chains of DMCP, all units at once. Pure torch.

The channels of a unit are cut into a prefix that always stays, followed by
groups. State g of its chain means "group g is kept"; a group is kept only
if the one before it is. One logit ``alpha[u, g]`` gives the probability
``p[u, g]`` of the transition from g - 1 to g, so

    P(group g kept) = p[u, 1] * ... * p[u, g]

(Guo et al., DMCP, CVPR 2020, section 3.2). All chains live in one matrix
``alpha [units, groups]``; a unit with fewer groups than the widest one is
padded with groups of size zero, which change nothing.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: ``exp``: p = exp(-max(alpha, 0)), as in the paper.
#: ``sigmoid``: p = sigmoid(alpha), as in the authors' release.
PARAMETRISATIONS = ('exp', 'sigmoid')
#: What the optimiser gets of the logits: their gradient, as in the release, or
#: the signs of the natural one.
STEPS = ('logit', 'sign')
# Logits at which a transition is as good as certain, but still learns: its
# gradient falls as exp(-|alpha|).
_FAR = 8.0
_BISECTIONS = 60


class Chains:
    """Marginals, expectations and draws of all chains.

    Args:
        widths: Candidate widths of each unit, strictly ascending; the last
            is the unit's full width.
        parametrisation: ``'exp'`` or ``'sigmoid'``.
        step: ``'logit'``: the optimiser moves ``alpha`` along its gradient.
            ``'sign'``: it moves ``alpha`` along a direction of the log-odds,
            and :meth:`project_` moves these by as much, so that the path of
            a chain does not depend on its parametrisation.
    """

    def __init__(
        self,
        widths: Sequence[Sequence[int]],
        parametrisation: str,
        step: str = 'logit',
    ) -> None:
        self.parametrisation = parametrisation
        self.step = step
        num_groups = max(len(w) for w in widths) - 1
        # Draws decide shapes, so they are made on the host, from tables that
        # stay there; gradients pass through the copies that `to` moves.
        # [units, groups + 1]: width after each kept group, padded with the
        # full width.
        self._host_table = torch.tensor(
            [[*w, *(w[-1:] * (num_groups + 1 - len(w)))] for w in map(list, widths)]
        )
        self._num_widths = torch.tensor([len(w) for w in widths])
        self.table = self._host_table
        #: [units, groups]: channels of each group, zero where padded.
        self.sizes = self.table.diff(dim=1)
        # Every channel of every unit as an index into the flat matrix
        # [units, 1 + groups] of marginals, whose first column is 1.
        self._full = [w[-1] for w in widths]
        index = [
            row * (num_groups + 1)
            + torch.repeat_interleave(
                torch.arange(num_groups + 1), torch.cat([table[:1], sizes])
            )
            for row, (table, sizes) in enumerate(zip(self.table, self.sizes))
        ]
        self._channel = torch.cat(index)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of ``alpha``: units, groups."""
        units, groups = self.sizes.shape
        return units, groups

    def to(self, device: torch.device) -> 'Chains':
        """Move the tables that gradients pass through to a device."""
        if self._channel.device != device:
            self._channel = self._channel.to(device)
            self.table, self.sizes = (t.to(device) for t in (self.table, self.sizes))
        return self

    def log_transitions(self, alpha: Tensor) -> Tensor:
        """log p, ``[units, groups]``."""
        if self.parametrisation == 'sigmoid':
            return F.logsigmoid(alpha)
        # The gradient of clamp at its bound is 1: alpha = 0 is alive.
        return -alpha.clamp(min=0)

    def log_odds(self, alpha: Tensor) -> Tensor:
        """log(p / (1 - p)), ``[units, groups]``, at most ``_FAR``."""
        if self.parametrisation == 'sigmoid':
            return alpha.clamp(max=_FAR)
        log_p = -alpha.clamp(min=-F.logsigmoid(alpha.new_tensor(_FAR)).item())
        return log_p - (-log_p.expm1()).log()

    def slopes(self, alpha: Tensor) -> Tensor:
        """d alpha / d log-odds, ``[units, groups]``; ones for ``'logit'``, whose
        steps leave alpha what it is."""
        if self.step == 'logit' or self.parametrisation == 'sigmoid':
            return torch.ones_like(alpha)
        return -torch.sigmoid(-self.log_odds(alpha))

    def information(self, alpha: Tensor) -> Tensor:
        """Fisher information of each log-odds, ``[units, groups]``: P(the group
        before is kept) * p * (1 - p). Ones for ``'logit'``."""
        if self.step == 'logit':
            return torch.ones_like(alpha)
        return self.marginals(alpha) * torch.sigmoid(-self.log_odds(alpha))

    def _of_log_odds(self, log_odds: Tensor) -> Tensor:
        """The inverse of :meth:`log_odds`."""
        if self.parametrisation == 'sigmoid':
            return log_odds
        return -F.logsigmoid(log_odds)

    def shifted(self, alpha: Tensor, amount: float) -> Tensor:
        """Logits of chains that keep more, or less if ``amount`` < 0.

        With ``'sign'`` the amount is one of log-odds.
        """
        if self.step == 'sign':
            return self._of_log_odds(self.log_odds(alpha) + amount)
        return alpha + amount if self.parametrisation == 'sigmoid' else alpha - amount

    def extremes(self) -> tuple[float, float]:
        """Logits that keep next to nothing, and next to everything, and
        from which chains can still move."""
        return (-_FAR, _FAR) if self.parametrisation == 'sigmoid' else (_FAR, 0.0)

    def logits_at(self, widths: Tensor) -> Tensor:
        """Logits, the same for all groups of a unit, at which the expected widths
        are these, or as near as it gets.

        Args:
            widths: ``[units]``.

        Returns:
            ``[units, groups]`` float64, on the CPU.
        """
        low, high = (
            torch.full((len(widths), 1), logit, dtype=torch.float64)
            for logit in self.extremes()
        )
        host = self.to(torch.device('cpu'))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = host.expected(middle.expand(self.shape)) > widths.double().cpu()
            high = torch.where(above[:, None], middle, high)
            low = torch.where(above[:, None], low, middle)
        return ((low + high) / 2).expand(self.shape).contiguous()

    def project_(self, alpha: Tensor, before: Tensor) -> None:
        """Move logits, in place, to where a step leads and gradients live.

        ``exp`` clamps negative logits: below zero their gradient is exactly
        zero and they would never come back. The release clamps in place.

        Args:
            alpha: Logits that an optimiser has moved.
            before: The logits before its step.
        """
        if self.step == 'sign':
            moved = self.log_odds(before) + (alpha - before)
            alpha.copy_(self._of_log_odds(moved.clamp(-_FAR, _FAR)))
        if self.parametrisation == 'exp':
            alpha.clamp_(min=0)

    def marginals(self, alpha: Tensor) -> Tensor:
        """P(group g is kept), ``[units, groups]``.

        A sum of logarithms: no product underflows on the way, and no
        gradient needs a division.
        """
        return self.log_transitions(alpha).cumsum(dim=1).exp()

    def expected(self, alpha: Tensor) -> Tensor:
        """Expected width of each unit, ``[units]`` float64."""
        kept = (self.marginals(alpha).double() * self.sizes).sum(dim=1)
        return self.table[:, 0] + kept

    def channel_scales(self, alpha: Tensor) -> tuple[Tensor, ...]:
        """P(channel is kept) of every channel: one ``[channels]`` per unit."""
        marginals = self.marginals(alpha)
        flat = torch.cat(
            [torch.ones_like(marginals[:, :1]), marginals], dim=1
        ).flatten()
        return flat[self._channel].split(self._full)

    def draw(self, alpha: Tensor, generator: torch.Generator, num: int = 1) -> Tensor:
        """Draw every unit's width from its chain.

        Args:
            alpha: Logits ``[units, groups]``; one copy to the host if they
                are elsewhere.
            generator: A generator on the CPU.
            num: Number of networks to draw.

        Returns:
            Widths ``[num, units]`` on the CPU.
        """
        log_p = self.log_transitions(alpha.detach().cpu()).double()
        uniforms = torch.rand(
            (num, *self.shape), generator=generator, dtype=torch.float64
        )
        kept = (uniforms.log() < log_p).cumprod(dim=2).sum(dim=2)
        return self._host_table.gather(1, kept.T).T

    def draw_uniform(self, generator: torch.Generator) -> Tensor:
        """Draw each unit's width uniformly from its candidates, ``[units]``."""
        uniforms = torch.rand(self.shape[0], generator=generator, dtype=torch.float64)
        state = (uniforms * self._num_widths).long()
        return self._host_table.gather(1, state[:, None])[:, 0]
