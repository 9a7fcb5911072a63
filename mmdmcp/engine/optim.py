"""Two optimisers, one for the weights and one for the chains."""
from typing import Iterable

from mmengine.optim import (OptimWrapper, OptimWrapperDict,
                            build_optim_wrapper)
from torch import Tensor, nn

from ..errors import ConfigError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from .distributed import average


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
            extra = sorted(found - set(self.parts)) + \
                ['paramwise_cfg'] * (paramwise_cfg is not None)
            raise ConfigError(
                'optim_wrapper of a search holds one config for '
                '`architecture` (the weights) and one for `mutator` (the '
                f'chains); missing: {sorted(set(self.parts) - found)}, '
                f'unexpected: {extra}')
        self.configs = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Build the wrappers for ``model.architecture`` and
        ``model.mutator``."""
        model = getattr(model, 'module', model)
        return OptimWrapperDict(
            **{
                part: build_optim_wrapper(
                    getattr(model, part), self.configs[part])
                for part in self.parts
            })


def accumulate(wrapper: OptimWrapper, loss: Tensor) -> None:
    """Backward of one of an iteration's losses.

    MMEngine counts backward passes to know when to step; an iteration of
    several networks counts once, in :func:`finish`.
    """
    count = wrapper._inner_count
    wrapper.backward(wrapper.scale_loss(loss))
    wrapper._inner_count = count


def finish(wrapper: OptimWrapper, parameters: Iterable[Tensor]) -> bool:
    """End an iteration: average the gradients over the ranks, and step.

    Does nothing but count while gradients are accumulated.

    Args:
        wrapper: The optimiser wrapper.
        parameters: What it optimises.

    Returns:
        Whether a step was made.
    """
    wrapper._inner_count += 1
    if not wrapper.should_update():
        return False
    average(p.grad for p in parameters if p.grad is not None)
    wrapper.step()
    wrapper.zero_grad()
    return True
