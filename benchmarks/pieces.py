"""The pieces of work that are compared."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.optim import OptimWrapperDict
from models import Setting
from torch import Tensor, nn

from mmdmcp.dmcp import DMCP
from mmdmcp.dmcp.distill import InPlaceDistillation
from mmdmcp.gate import TrainableGate
from mmdmcp.subnet import apply


class Search:
    """A search whose stages can be run one by one.

    Args:
        name: Name of the network.
        size: Height and width of the images.
        data: A batch.
        setting: How it runs.
        mutator: Options of the mutator.
    """

    def __init__(
        self, name: str, size: int, data: dict, setting: Setting, **mutator
    ) -> None:
        self.data = data
        self.algorithm = DMCP(
            Setting().build(name), '50%', mutator, input_shape=(3, size, size)
        )
        self.algorithm.to(setting.device, memory_format=setting.layout).train()
        self.algorithm.schedule.set_length(100)
        mutator = self.algorithm.mutator
        self.wrapper = OptimWrapperDict(
            architecture=setting.optimiser(self.algorithm.architecture),
            mutator=setting.wrapper(torch.optim.SGD(mutator.parameters(), 1e-9)),
        )
        self.precision = setting.precision
        self.draw()

    def draw(self) -> list[list[int]]:
        """Choose the four networks of the next stage 1."""
        choose = self.algorithm.mutator.choose
        self.widths = [choose(how) for how in ('max', 'min', 'random', 'random')]
        names = ('max', 'min', 'sampled1', 'sampled2')
        self.algorithm._sandwich = lambda: zip(names, self.widths)
        return self.widths

    def stage1(self) -> None:
        """Weights: the four networks that were drawn, one step."""
        data = self.algorithm.data_preprocessor(self.data, True)
        self.algorithm._train_weights(data, self.wrapper['architecture'])

    def stage2(self) -> None:
        """Chains: one step."""
        data = self.algorithm.data_preprocessor(self.data, True)
        self.algorithm._train_chains(data, self.wrapper['mutator'])

    def expected_cost(self) -> Tensor:
        """Expected cost, forward and backward."""
        (gradient,) = torch.autograd.grad(
            self.algorithm.expected_cost(), self.algorithm.mutator.alpha
        )
        return gradient

    def static_nets(self) -> list['Static']:
        """The four networks, rebuilt."""
        return [
            Static(self.algorithm.cut(widths).train(), self.precision)
            for widths in self.widths
        ]


class Gated:
    """A training with gates, before and after they are frozen.

    Args:
        name: Name of the network.
        size: Height and width of the images.
        data: A batch.
        setting: How it runs.
    """

    def __init__(self, name: str, size: int, data: dict, setting: Setting) -> None:
        self.data = data
        self.algorithm = TrainableGate(
            Setting().build(name), '50%', input_shape=(3, size, size)
        )
        self.algorithm.to(setting.device, memory_format=setting.layout).train()
        self.algorithm.schedule.set_length(1000)
        mutator = self.algorithm.mutator
        self.wrapper = OptimWrapperDict(
            architecture=setting.optimiser(self.algorithm.architecture),
            mutator=setting.wrapper(torch.optim.Adam(mutator.parameters(), 1e-9)),
        )

    def step(self) -> None:
        """One iteration."""
        self.algorithm.train_step(self.data, self.wrapper)

    def freeze(self) -> None:
        """Go on where the gates hold still."""
        self.algorithm.schedule.iteration = 999
        self.step()


class Static:
    """One of the four networks, rebuilt as a static model.

    Args:
        model: The static model.
        precision: Makes the context that it runs in.
    """

    def __init__(
        self,
        model: nn.Module,
        precision: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self.model, self.precision = model, precision
        self.distillation = InPlaceDistillation(model)

    def step(self, data: dict, teacher: Tensor = None) -> Tensor:
        """Forward and backward, as stage 1 does it; no optimiser."""
        data = self.model.data_preprocessor(data, True)
        with self.distillation.watch(self.model), self.precision():
            if teacher is None:
                loss, _ = self.model.parse_losses(self.model(**data, mode='loss'))
                logits = self.distillation.take()
            else:
                self.model(**data, mode='tensor')
                logits = self.distillation.take()
                loss = self.distillation.loss(logits, teacher)
        loss.backward()
        self.model.zero_grad()
        return logits.detach()


def rebuild(name: str, path: str) -> nn.Module:
    """The pruned network from its file."""
    return apply(Setting().build(name), path)
