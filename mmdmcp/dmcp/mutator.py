"""DMCP's mutator: the chains, and the widths that the network runs at."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..cost import Budget
from ..cost.bisect import used_up_at
from ..errors import ConfigError
from ..methods import ChannelMutator
from ..options import build_options, one_of, refuse_unknown
from ..ranking.balanced import layer_shares
from ..ranking.nearest import nearest
from ..registry import MODELS, registered
from ..supernet import Unit
from .grid import WidthGrid
from .markov import PARAMETRISATIONS, STEPS, Chains
from .start import INITS, alike, by_worth
from .step import level, natural
from .unit import DMCPChannelUnit
from .worth import Worth

# Of logits that an iteration moved; expected costs are those of the narrowest
# and the full network long before.
_MOST_SHIFT = 40.0


@MODELS.register_module()
class DMCPChannelMutator(ChannelMutator):
    r"""Owns the chains of all units and chooses widths.

    Args:
        parametrisation: ``'exp'`` (paper), or ``'sigmoid'`` (authors'
            release), whose steps move chains much less.
        step: What the chains' optimiser follows: ``'logit'``, the gradient in
            the logits, as in the release; or ``'sign'``, the signs of the
            natural gradient, so that its rate says how far chains go in the
            whole search, whatever its length, target and parametrisation.
        init: Where the chains start. ``'fitted'``: at the expected widths that
            suit the budget best by what the random networks of stage 1 have
            lost until then (:mod:`mmdmcp.dmcp.worth`). ``'target'``: all at
            one common logit whose expected cost is the target. ``'zero'``: at
            alpha = 0, as in the release.
        grid: Options of :class:`~mmdmcp.dmcp.grid.WidthGrid`.
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        exclude: Layers that keep their channels, by prefixes of their names
            or regular expressions of whole ones, such as ``[r'.*\.conv3']``.
        unit: Registered type of the units, a :class:`DMCPChannelUnit`.

    Attributes:
        alpha (nn.Parameter): The architecture parameter ``[units, groups]``,
            padded where a unit has fewer groups. Of several budgets it is
            that of the first; ``alpha2``, ``alpha3``, ... are the others'.
        units (list[DMCPChannelUnit]): In the order of the rows of alpha.

    Raises:
        ConfigError: If an option is unknown or has an unknown value.
    """

    networks = ('max', 'min', 'random', 'direct', 'expected')
    of_budget = ('direct', 'expected')

    def __init__(
        self,
        parametrisation: str = 'exp',
        step: str = 'logit',
        init: str = 'target',
        grid: dict | None = None,
        scope: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        unit: str = 'mmdmcp.DMCPChannelUnit',
        **unknown,
    ) -> None:
        super().__init__(scope, exclude)
        refuse_unknown(self, unknown)
        one_of('mutator: parametrisation', parametrisation, PARAMETRISATIONS)
        one_of('mutator: step', step, STEPS)
        one_of('mutator: init', init, INITS)
        self.parametrisation = parametrisation
        self.step = step
        self.init = init
        self.grid = build_options(WidthGrid, grid, 'mutator.grid')
        self.unit = registered('mutator.unit', unit, DMCPChannelUnit)

    # ---- building ----------------------------------------------------

    def prepare(self, architecture: nn.Module, input_shape: tuple[int, ...]) -> None:
        """Trace the model and set up one chain per unit.

        Args:
            architecture: The full model, on the CPU.
            input_shape: Channels, height and width of one sample.

        Raises:
            TraceError: If the model can't be traced or pruned.
            ConfigError: If no unit has a choice of widths.
        """
        super().prepare(architecture, input_shape)
        if not self.mutable_units:
            raise ConfigError(
                'mutator.grid: no unit has more than one width; choose a smaller step'
            )
        self.chains = Chains(
            [unit.grid for unit in self.units], self.parametrisation, self.step
        )
        self.alpha = nn.Parameter(torch.zeros(self.chains.shape))
        self._alphas = ['alpha']
        self.worth = None
        if self.init == 'fitted':
            self.worth = Worth(layer_shares(self.supernet.cost))
        self.set_widths('max')

    def make_unit(self, unit: Unit) -> DMCPChannelUnit:
        """A unit with its grid."""
        self.grid.multiple = self.multiple
        grid = self.grid(unit.num_channels)
        made = self.unit(unit.name, unit.num_channels, grid)
        if made.grid == grid:
            made.steps = self.grid.steps(unit.num_channels)
        return made

    def start(self, budgets: Sequence[Budget]) -> None:
        """Give each budget chains, and start them at the target, unless
        ``init='zero'``.

        A parameter for each: the optimiser of one budget's step leaves the
        others' chains, and what it remembers of them, alone.

        Next to the cheapest or the full network they start a little off the
        target, with a warning, so that every chain has a gradient.

        Args:
            budgets: Above the cost of the narrowest network.
        """
        for number in range(2, len(budgets) + 1):
            self._alphas.append(f'alpha{number}')
            chains = nn.Parameter(torch.zeros(self.chains.shape))
            self.register_parameter(self._alphas[-1], chains)
        # Not in checkpoints: a search that is resumed starts here, too.
        self._starts = []
        for self.turn, budget in enumerate(budgets):
            if self.init != 'zero':
                logit = alike(self.chains, self.supernet.cost, budget)
                with torch.no_grad():
                    self.logits.fill_(logit)
            self._starts.append(self.ratios())
        self.turn = 0

    def fit(self, budgets: Sequence[Budget], tolerance: float) -> None:
        """Take the chains of each budget to the network that suits it best, by what
        was learned of the units' worth; unless they start elsewhere.

        Args:
            budgets: As in :meth:`start`.
            tolerance: Accepted distance from the target, as a ratio of it.
        """
        if self.worth is None:
            return
        shares, turn = self.worth.shares(), self.turn
        cost, steps = self.supernet.cost, [unit.steps for unit in self.units]
        for self.turn, budget in enumerate(budgets):
            logits = by_worth(self.chains, cost, budget, steps, shares, tolerance)
            with torch.no_grad():
                self.logits.copy_(logits)
        self.turn = turn

    # ---- chains ------------------------------------------------------

    @property
    def logits(self) -> nn.Parameter:
        """The chains of the budget in turn, ``[units, groups]``."""
        return getattr(self, self._alphas[self.turn])

    @torch.no_grad()
    def ratios(self) -> Tensor:
        """Expected ratio of its channels that each unit keeps, ``[units]``."""
        widths = self.expected_widths()
        return widths / widths.new_tensor(self.supernet.full)

    def moves(self) -> Tensor:
        """How far these ratios are from where the chains started, ``[units]``."""
        ratios = self.ratios()
        return (ratios - self._starts[self.turn].to(ratios)).abs()

    def expected_widths(self, alpha: Tensor | None = None) -> Tensor:
        """Expected width of each unit, ``[units]`` float64."""
        alpha = self.logits if alpha is None else alpha
        return self.chains.to(alpha.device).expected(alpha)

    @torch.no_grad()
    def keep_probabilities(self) -> list[list[float]]:
        """P(group kept) of every unit's groups, without padding."""
        rows = self.chains.to(self.logits.device).marginals(self.logits).tolist()
        return [row[: len(unit.grid) - 1] for row, unit in zip(rows, self.units)]

    def channel_scales(self) -> tuple[Tensor, ...]:
        """P(channel kept), one ``[channels]`` per unit, differentiable."""
        return self.chains.to(self.logits.device).channel_scales(self.logits)

    @torch.no_grad()
    def project(self, before: Tensor) -> None:
        """After a step from ``before``: the chains are where the step leads, and
        where their gradient lives."""
        self.chains.project_(self.logits, before)

    def direct_gradient(
        self, budget: Budget | None, most: float, turns: int = 1
    ) -> None:
        """Turn the chains' gradient into what the optimiser follows.

        Args:
            budget: Whose cost the step shall leave as it is, to first order;
                None: any step will do.
            most: How long each entry is then, where they are signs.
            turns: In how many iterations these chains have a step: it is that
                much longer, where it goes by the gradient's length.
        """
        gradient = self.logits.grad
        if gradient is None:
            return
        if self.step == 'logit' and budget is None:
            if turns > 1:
                gradient.mul_(turns)
            return
        alpha = self.logits.detach()
        chains = self.chains.to(alpha.device)
        slopes, information = chains.slopes(alpha), chains.information(alpha)
        direction = natural(gradient * slopes, information)
        if budget is not None:
            cost = self.supernet.cost.to(alpha.device)
            used = budget.used_at(cost, self.expected_widths())
            (slope,) = torch.autograd.grad(used, self.logits)
            direction = level(direction, slope * slopes, information)
        signs = self.step == 'sign'
        direction = most * direction.sign() if signs else turns * direction
        gradient.copy_(direction)

    def at_target(self, budget: Budget) -> Tensor:
        """The chains' logits, all shifted by one common amount, so that the
        expected cost is the target, or as near as it gets.

        Returns:
            ``[units, groups]`` float64, on the CPU.
        """
        alpha = self.logits.detach().double().cpu()

        def used(amount: float) -> float:
            widths = self.expected_widths(self.chains.shifted(alpha, amount))
            return float(budget.used_at(self.supernet.cost, widths))

        amount = used_up_at(used, -_MOST_SHIFT, _MOST_SHIFT)
        return self.chains.shifted(alpha, amount)

    @torch.no_grad()
    def hold(self, budget: Budget) -> None:
        """Shift all chains by one common amount, so that the expected cost is
        the target, or as near as it gets."""
        logits = self.logits
        logits.copy_(self.at_target(budget))
        self.chains.project_(logits, logits.clone())

    # ---- widths ------------------------------------------------------

    def named(self, network: str) -> list[Any]:
        """Widths of one of :attr:`networks`.

        Args:
            network: ``'max'``, ``'min'``, ``'random'`` (uniform on the grids),
                ``'direct'`` (one draw from the chains) or ``'expected'``
                (rounded).
        """
        if network == 'random':
            return self.chains.draw_uniform(self.generator).tolist()
        if network == 'direct':
            return self.chains.draw(self.logits, self.generator)[0].tolist()
        if network == 'expected':
            return self.rounded(self.expected_widths().detach())
        return super().named(network)

    def rounded(self, expected: Tensor) -> list[int]:
        """Expected widths ``[units]`` as whole channels, of the units' steps."""
        return [
            nearest(width, unit.steps)
            for width, unit in zip(expected.tolist(), self.units)
        ]

    def narrowest(self) -> str:
        """Words for the ``'min'`` network, for messages."""
        return 'every unit at the narrowest width of its grid'

    def remedy(self) -> str:
        """What lets it be narrower, for messages."""
        if self.grid.type == 'even':
            return f'lower mutator.grid.min_ratio={self.grid.min_ratio}'
        # Whatever its ratio, the release's grid keeps 7 of 16 channels.
        return "set mutator.grid.type='even', which goes lower"
