"""DMCP's mutator: the chains, and the widths that the network runs at."""

import logging
from collections.abc import Mapping, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import ConfigError, TargetError
from ..options import build_options, refuse_unknown
from ..registry import MODELS, registered
from ..supernet import Supernet
from .grid import WidthGrid
from .markov import PARAMETRISATIONS, Chains, solve_common_alpha
from .unit import DMCPChannelUnit

Widths = str | Mapping[str, int] | Sequence[int]
#: Ways to choose widths, beside ``{unit name: channels}``.
HOWS = ('max', 'min', 'random', 'direct', 'expected')


@MODELS.register_module()
class DMCPChannelMutator(BaseModule):
    """Owns the chains of all units and chooses widths.

    Args:
        parametrisation: ``'sigmoid'`` (authors' release) or ``'exp'``
            (paper).
        init: ``'target'`` starts all chains at one common logit whose
            expected cost is the target; ``'zero'`` at alpha = 0, as the
            release does.
        grid: Options of :class:`~mmdmcp.dmcp.grid.WidthGrid`.
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        unit: Registered type of the units, a :class:`DMCPChannelUnit`.

    Attributes:
        alpha (nn.Parameter): The architecture parameter ``[units, groups]``,
            padded where a unit has fewer groups.
        units (list[DMCPChannelUnit]): In the order of the rows of alpha.
        generator (torch.Generator): Decides widths, the same on all ranks.

    Raises:
        ConfigError: If an option is unknown or has an unknown value.
    """

    def __init__(
        self,
        parametrisation: str = 'sigmoid',
        init: str = 'target',
        grid: dict | None = None,
        scope: Sequence[str] | None = None,
        unit: str = 'mmdmcp.DMCPChannelUnit',
        **unknown,
    ) -> None:
        super().__init__()
        refuse_unknown(self, unknown)
        if parametrisation not in PARAMETRISATIONS:
            raise ConfigError(
                f'mutator: parametrisation={parametrisation!r};'
                f' choose from {PARAMETRISATIONS}'
            )
        if init not in ('target', 'zero'):
            raise ConfigError(
                f"mutator: init={init!r}; choose 'target' (the "
                "default) or 'zero' (as the release)"
            )
        self.parametrisation = parametrisation
        self.init = init
        self.grid = build_options(WidthGrid, grid, 'mutator.grid')
        self.scope = scope
        self.unit = registered('mutator.unit', unit, DMCPChannelUnit)
        self.generator = torch.Generator().manual_seed(0)
        self.units: list[DMCPChannelUnit] = []

    # ---- building ----------------------------------------------------

    def prepare(self, architecture: nn.Module, input_shape: tuple[int, ...]) -> None:
        """Trace the model and set up one chain a unit.

        Args:
            architecture: The full model, on the CPU.
            input_shape: Channels, height and width of one sample.

        Raises:
            TraceError: If the model can't be traced or pruned.
            ConfigError: If no unit has a choice of widths.
        """
        self.supernet = Supernet(architecture, input_shape, self.scope)
        self.units = [
            self.unit(u.name, u.num_channels, self.grid(u.num_channels))
            for u in self.supernet.units
        ]
        if all(len(unit.grid) == 1 for unit in self.units):
            raise ConfigError(
                'mutator.grid: no unit has more than one width; choose a smaller step'
            )
        self.chains = Chains([unit.grid for unit in self.units], self.parametrisation)
        self.alpha = nn.Parameter(torch.zeros(self.chains.shape))
        self.set_widths('max')

    def start(self, target: int) -> None:
        """Check that a target can be reached, and start the chains.

        Next to the cheapest or the full network they start a little off the
        target, with a warning, so that every chain has a gradient.

        Args:
            target: MACs aimed at.

        Raises:
            TargetError: If even the narrowest network costs more.
        """
        least = self.cost_of(self.choose('min'))['macs']
        if target < least:
            # Whatever its ratio, the release's grid keeps 7 of 16 channels.
            remedy = (
                f'lower mutator.grid.min_ratio={self.grid.min_ratio}'
                if self.grid.type == 'even'
                else "set mutator.grid.type='even', which goes lower"
            )
            raise TargetError(
                f"the target of {target:,} multiply-accumulates can't be "
                f'reached: the narrowest network on this grid costs {least:,}'
                f'. Raise the target, or {remedy}'
            )
        if self.init == 'zero':
            return

        def cost(logit: float) -> float:
            with torch.no_grad():
                alpha = torch.full(self.chains.shape, logit, dtype=torch.float64)
                return float(self.expected_cost(alpha))

        logit = solve_common_alpha(cost, target, *self.chains.extremes())
        if abs(cost(logit) / target - 1) > 1e-6:
            print_log(
                f'the chains start at an expected cost of {cost(logit):,.0f} '
                f'multiply-accumulates, not at the target of {target:,}: '
                'nearer to the end of what the grid allows they would hardly '
                'learn',
                logger='current',
                level=logging.WARNING,
            )
        with torch.no_grad():
            self.alpha.fill_(logit)

    # ---- chains ------------------------------------------------------

    def expected_widths(self, alpha: Tensor | None = None) -> Tensor:
        """Expected width of each unit, ``[units]`` float64."""
        alpha = self.alpha if alpha is None else alpha
        return self.chains.to(alpha.device).expected(alpha)

    def expected_cost(self, alpha: Tensor | None = None) -> Tensor:
        """MACs of the whole model at the expected widths, differentiable."""
        widths = self.expected_widths(alpha)
        return self.supernet.cost.to(widths.device).macs(widths)

    def channel_scales(self) -> tuple[Tensor, ...]:
        """P(channel kept), one ``[channels]`` a unit, differentiable."""
        return self.chains.to(self.alpha.device).channel_scales(self.alpha)

    @torch.no_grad()
    def project(self) -> None:
        """Keep alpha where its gradient lives, after a step."""
        self.chains.project_(self.alpha)

    # ---- widths ------------------------------------------------------

    def choose(self, how: Widths) -> list[int]:
        """Widths of all units, in their order.

        Args:
            how: ``'max'``, ``'min'``, ``'random'`` (uniform on the grid),
                ``'direct'`` (one draw from the chains), ``'expected'``
                (rounded), ``{unit name: channels}`` (others stay full), or
                one width a unit.

        Raises:
            ConfigError: If ``how`` or a unit is unknown, or a width no
                whole number or out of range.
        """
        if isinstance(how, Mapping):
            return self._named_widths(how)
        if not isinstance(how, str):
            return self._checked(how)
        if how == 'max':
            return [unit.num_channels for unit in self.units]
        if how == 'min':
            return [unit.grid[0] for unit in self.units]
        if how == 'random':
            return self.chains.draw_uniform(self.generator).tolist()
        if how == 'direct':
            return self.chains.draw(self.alpha, self.generator)[0].tolist()
        if how == 'expected':
            return self.rounded(self.expected_widths().detach())
        raise ConfigError(
            f'set_widths({how!r}): choose from {HOWS} or give {{unit name: channels}}'
        )

    def rounded(self, expected: Tensor) -> list[int]:
        """Expected widths ``[units]`` as whole channels, multiples of the
        grid's divisor."""
        return [
            self.grid.nearest(width, unit.grid)
            for width, unit in zip(expected.tolist(), self.units)
        ]

    def _named_widths(self, chosen: Mapping[str, int]) -> list[int]:
        names = [unit.name for unit in self.units]
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise ConfigError(
                f'there is no unit {unknown[0]!r}; the units are {", ".join(names)}'
            )
        return self._checked(
            [chosen.get(unit.name, unit.num_channels) for unit in self.units]
        )

    def _checked(self, widths: Sequence[int]) -> list[int]:
        if len(widths) != len(self.units):
            raise ConfigError(
                f'{len(widths)} widths for {len(self.units)} '
                'units; give one width a unit'
            )
        return [unit.checked(w) for unit, w in zip(self.units, widths)]

    def set_widths(self, how: Widths) -> list[int]:
        """Run the network at these widths from now on.

        Args:
            how: As in :meth:`choose`.

        Returns:
            The widths, one a unit.
        """
        widths = self.choose(how)
        self.supernet.select(widths)
        for unit, channels in zip(self.units, widths):
            unit.channels = channels
        return widths

    @property
    def chosen(self) -> list[int]:
        """The widths that the network runs at."""
        return [unit.channels for unit in self.units]

    def cost_of(self, widths: Sequence[int]) -> dict[str, int]:
        """``{'macs': int, 'params': int}`` at these widths, exact."""
        return self.supernet.cost.exact(widths)

    # ---- state -------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """The generator's state: a resumed search draws as it would have.

        A tensor, since a Runner broadcasts every entry of a state dict.
        """
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.generator.set_state(state.cpu())
