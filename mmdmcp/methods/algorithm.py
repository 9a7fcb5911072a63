"""What every method is to a Runner: a model, its mutator and a budget."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from ..compat import repair_mmengine
from ..cost import Budget, parse_budgets
from ..cost.budget import Targets
from ..cost.parts import parts_of
from ..errors import CheckpointError, ConfigError, TargetError
from ..latency import Profile
from ..options import number
from ..subnet import Subnet, apply
from .mutator import Choice
from .parts import build_architecture, build_mutator, check_parts
from .reachable import check_counted, check_descending, check_reachable
from .schedule import Schedule, StagedSchedule

_METHOD = re.compile(r'[a-z][a-z0-9_]{0,31}')


class PruningAlgorithm(BaseModel):
    """Builds the architecture and its mutator, and knows what they cost.

    A method is a subclass that says in its class attributes what the rest
    of the package asks, and has a ``train_step``. A method of the package
    is a folder with an ``algorithm.py``, and a ``hooks.py`` for its hook; one
    of your own may be any module that ``custom_imports`` names.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module.
        target: Cost to end at: ``'2.2G'``, ``'50%'``, a number of
            multiply-accumulates, or ``dict(params='50%')``; a list of them
            for several subnets, if the method takes one.
        mutator: Config of the mutator; its type defaults to the method's.
        schedule: Counts the iterations.
        input_shape: Channels, height and width that costs are computed for.
        tolerance: Accepted distance from the target, as a ratio of it.
        data_preprocessor: For the architecture, if it has none.
        init_cfg: As in MMEngine.
        profile: File of ``mmdmcp profile``, for a target of latency.

    Attributes:
        method (str): What subnet files call the method: lower-case letters,
            digits, underscores.
        default_mutator (str): Type of its mutator.
        hook (str): Type of its hook, a
            :class:`~mmdmcp.methods.SearchHook`.
        trains_mutator (bool): Whether the mutator has an optimiser of its
            own, ``optim_wrapper.mutator``.
        starts_pretrained (bool): Whether the method prunes a network that
            is trained already. Otherwise whatever ``load_from`` names must
            fit without exception.
        validated (tuple[str, ...]): Networks that can be validated during
            the search; none if it is validated as it stands.
        several_targets (str or None): How it serves a list of targets:
            ``'together'``, all of them in every part of the search;
            ``'descending'``, one after the other, each below the one before
            it, in a :class:`~mmdmcp.methods.StagedSchedule`; None if it takes
            one target only.
        fixed_options (tuple[str, ...]): Options of the model that must stay
            when a search is resumed; others may change, with a warning.
        budgets (tuple[Budget, ...]): What the network may cost: one entry
            for each subnet that is wanted.

    Raises:
        ConfigError: If an option is of the wrong type, the architecture is
            no model of MMEngine, or the mutator another method's.
        TargetError: If the target can't be read, is above the full model,
            or below the narrowest one.
        TraceError: If the model can't be traced or pruned.
    """

    method: str
    default_mutator: str
    hook: str
    trains_mutator = True
    starts_pretrained = False
    validated: tuple[str, ...] = ()
    several_targets: str | None = None
    fixed_options: tuple[str, ...] = (
        'input_shape',
        'mutator.type',
        'mutator.scope',
        'mutator.exclude',
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = getattr(cls, 'method', '')
        if name != '' and not _METHOD.fullmatch(str(name)):
            raise ConfigError(
                f'{cls.__name__}.method={name!r}: give the name that subnet files '
                'shall have for the method, in lower-case letters and digits'
            )

    def __init__(
        self,
        architecture: dict | nn.Module | None,
        target: Targets | None,
        mutator: dict | None,
        schedule: Schedule,
        input_shape: Sequence[int],
        tolerance: float = 0.01,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        profile: str | None = None,
    ) -> None:
        repair_mmengine()
        check_parts(mutator, input_shape, data_preprocessor, init_cfg)
        number('tolerance', tolerance, above=0, below=1)
        model = build_architecture(architecture, data_preprocessor)
        super().__init__(
            getattr(model, 'data_preprocessor', data_preprocessor), init_cfg
        )
        self.architecture = model
        self.schedule: Any = schedule
        self.input_shape = tuple(input_shape)
        self.tolerance = tolerance
        self.mutator: Any = build_mutator(type(self), mutator)
        if profile is not None:
            self.mutator.profile = Profile.load(profile)
        self.mutator.prepare(model, self.input_shape)
        for part in parts_of(target):
            self.mutator.supernet.count_part(part)
        self.budgets = parse_budgets(target, self.cost_of('max'))
        if len(self.budgets) > 1 and self.several_targets is None:
            raise TargetError(
                f'target has {len(self.budgets)} entries, but {type(self).__name__} '
                'searches for one subnet: give one target'
            )
        for budget in self.budgets:
            check_reachable(budget, self.mutator)
            check_counted(budget, self.mutator)
        if self.sequential:
            check_descending(self.budgets)
            assert isinstance(schedule, StagedSchedule)
            schedule.stages = len(self.budgets)
        self._register_load_state_dict_pre_hook(self._accept_plain)

    # ---- budgets -----------------------------------------------------

    @property
    def budget(self) -> Budget:
        """The budget in turn; of one alone, that one."""
        return self.budgets[self.mutator.turn]

    @property
    def tag(self) -> str:
        """What tells the budget in turn from the others, in names of files and
        curves: ``'50PERCENT'``; empty if it is the only one."""
        return self.budget.label if len(self.budgets) > 1 else ''

    def serve(self, turn: int) -> None:
        """Work for one of the budgets from now on.

        Args:
            turn: Its number; it goes round.
        """
        self.mutator.turn = turn % len(self.budgets)

    def each_budget(self) -> Iterator[Budget]:
        """All budgets; in the loop, each is in turn."""
        before = self.mutator.turn
        try:
            for turn, budget in enumerate(self.budgets):
                self.serve(turn)
                yield budget
        finally:
            self.serve(before)

    def budgets_in_work(self) -> Iterator[Budget]:
        """The budgets that the search works for now; in the loop, each is in
        turn."""
        return iter([self.budget]) if self.sequential else self.each_budget()

    @property
    def sequential(self) -> bool:
        """Whether one budget is reached after the other."""
        return len(self.budgets) > 1 and self.several_targets == 'descending'

    # ---- what users ask ----------------------------------------------

    def set_widths(self, choice: Choice) -> list[int]:
        """Run with other channels from now on; see the mutator's ``choose``.

        Returns:
            The number of channels of each unit.
        """
        return self.mutator.set_widths(choice)

    def cost(self) -> dict[str, int]:
        """Cost of the current channels: ``{'macs': int, 'params': int}``."""
        return self.mutator.cost_of(self.mutator.selections)

    def cost_of(self, choice: Choice) -> dict[str, int]:
        """Cost of the network with these channels."""
        return self.mutator.cost_of(self.mutator.choose(choice))

    def expected_cost(self, measure: str | None = None) -> Tensor:
        """Cost at the expected widths, scalar, differentiable.

        Args:
            measure: Name of a measure of the budget; defaults to its first.
        """
        for limit in self.budget:
            if measure in (None, limit.measure.name):
                return self.mutator.expected_cost(limit.measure)
        raise ConfigError(
            f'expected_cost({measure!r}): the target counts {list(self.budget.values)}'
        )

    def export_subnet(self, choice: Choice | None = None) -> Subnet:
        """The network with the given (default: the current) channels, as a
        file has it."""
        mutator = self.mutator
        selections = mutator.selections if choice is None else mutator.choose(choice)
        return mutator.supernet.subnet(selections, self.method, self.budget.values)

    def cut(self, choice: Choice | None = None) -> nn.Module:
        """A static copy of the network with the given (default: the
        current) channels, and their weights.

        The same as the full model made small by :meth:`export_subnet`'s
        file.
        """
        subnet = self.export_subnet(choice)
        return apply(self.mutator.supernet.plain_copy(), subnet)

    # ---- the model's usual interface ---------------------------------

    def __getattr__(self, name: str) -> Any:
        """What the search does not have, the architecture may: hooks of other
        packages reach into their model (``model.bbox_head.use_l1``,
        ``model.set_epoch(3)``)."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            # Not while it is built or copied, and nothing that says what kind
            # of object it is: `module` is a wrapper's.
            inner = self.__dict__.get('_modules', {}).get('architecture')
            if inner is None or name.startswith('_') or name == 'module':
                raise
        try:
            return getattr(inner, name)
        except AttributeError:
            raise AttributeError(
                f'neither {type(self).__name__} nor its architecture, a '
                f'{type(inner).__name__}, has an attribute {name!r}'
            ) from None

    def forward(
        self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor'
    ):
        """The architecture's forward, with the current channels."""
        with self.applied():
            return self.architecture(inputs, data_samples, mode=mode)

    def val_step(self, data: dict | tuple | list) -> list:
        """Predictions with the current channels."""
        with self.applied():
            return self.architecture.val_step(data)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predictions with the current channels."""
        with self.applied():
            return self.architecture.test_step(data)

    def applied(self) -> AbstractContextManager:
        """The architecture runs with the current channels inside; a method
        whose architecture always does so needs nothing."""
        return nullcontext()

    # ---- state -------------------------------------------------------

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
        start = prefix + 'mutator.'
        found, own = (
            {k.removeprefix(start) for k in state if k.startswith(start)}
            - {'_extra_state'}
            for state in (state_dict, self.state_dict(prefix=prefix))
        )
        if found and not found & own:
            raise CheckpointError(
                f'the checkpoint is one of another method: it has mutator.'
                f'{min(found)}, a {type(self).__name__} has '
                f'{f"mutator.{min(own)}" if own else "nothing of that kind"}. '
                'Give one of this method, or one of the plain network'
            )
