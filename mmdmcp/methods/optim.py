"""Two optimisers, one for the weights and one for what the mutator learns."""

from collections.abc import Callable, Iterable

from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from torch import Tensor, nn

from ..engine.distributed import average_gradients
from ..errors import ConfigError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SearchOptimWrapperConstructor:
    """Builds one optimiser wrapper for each part of the algorithm.

    Args:
        optim_wrapper_cfg: ``architecture`` and ``mutator``, an ordinary
            ``optim_wrapper`` config each (``paramwise_cfg`` included).
        paramwise_cfg: Must be None: it goes into one of the two.

    Raises:
        ConfigError: If one of the two is missing, or something else is
            there.
    """

    parts = ('architecture', 'mutator')

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg=None) -> None:
        found = set(optim_wrapper_cfg)
        if found != set(self.parts) or paramwise_cfg is not None:
            extra = sorted(found - set(self.parts)) + ['paramwise_cfg'] * (
                paramwise_cfg is not None
            )
            raise ConfigError(
                'optim_wrapper of a search holds one config for '
                '`architecture` (the weights) and one for `mutator` (what it '
                f'learns); missing: {sorted(set(self.parts) - found)}'
                f', unexpected: {extra}'
            )
        self.configs = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Build the wrappers for ``model.architecture`` and
        ``model.mutator``; they follow the model's schedule."""
        model = getattr(model, 'module', model)
        wrappers = {
            part: build_optim_wrapper(getattr(model, part), self.configs[part])
            for part in self.parts
        }
        for wrapper in wrappers.values():
            wrapper.schedule = model.schedule
        return OptimWrapperDict(**wrappers)


def accumulate(wrapper: OptimWrapper, loss: Tensor) -> None:
    """Backward of one of an iteration's losses.

    MMEngine counts backward passes to know when to step; an iteration of
    several networks counts once, in :func:`finish`.
    """
    _follow_schedule(wrapper)
    count = wrapper._inner_count
    wrapper.backward(wrapper.scale_loss(loss))
    wrapper._inner_count = count


def finish(
    wrapper: OptimWrapper,
    parameters: Iterable[Tensor],
    change: Callable[[], None] | None = None,
) -> bool:
    """End an iteration: average the gradients over the ranks, and step.

    While gradients are accumulated it only counts. The last iteration of a
    search steps, however many are accumulated by then.

    Args:
        wrapper: The optimiser wrapper.
        parameters: What it optimises.
        change: Changes the averaged gradients before the step.

    Returns:
        Whether a step was made.
    """
    _follow_schedule(wrapper)
    wrapper._inner_count += 1
    if not wrapper.should_update():
        return False
    average_gradients(parameters)
    if change is not None:
        change()
    wrapper.step()
    wrapper.zero_grad()
    return True


def gradient_scale(wrapper: OptimWrapper) -> float:
    """What a loss scaler has multiplied the gradients by, and divides them by
    in the step; 1 without one."""
    scaler = getattr(wrapper, 'loss_scaler', None)
    return 1.0 if scaler is None else scaler.get_scale()


def split_accumulations(
    wrappers: OptimWrapper | OptimWrapperDict, iteration: int
) -> list[str]:
    """Options whose accumulation is in the middle at an iteration.

    Gradients are not in checkpoints: a search that is resumed there steps
    without those of the accumulation's first iterations.

    Returns:
        ``'optim_wrapper'`` of the only wrapper, or
        ``'optim_wrapper.architecture'`` and the like.
    """
    if isinstance(wrappers, OptimWrapperDict):
        named = [(f'optim_wrapper.{part}', one) for part, one in wrappers.items()]
    else:
        named = [('optim_wrapper', wrappers)]
    return [name for name, one in named if iteration % one._accumulative_counts]


def _follow_schedule(wrapper: OptimWrapper) -> None:
    """Set MMEngine's counts to where the search is.

    Its own count starts at zero when a search is resumed, and for the chains
    when they begin to train. A wrapper that was built elsewhere has
    no schedule and counts for itself.
    """
    schedule = getattr(wrapper, 'schedule', None)
    if schedule is not None:
        wrapper._inner_count = schedule.iteration
        wrapper._max_counts = schedule.max_iters
        wrapper._remainder_counts = schedule.max_iters % wrapper._accumulative_counts
