"""One arm at one target with one seed, and the network that it comes to."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmdmcp.files import atomic_file
from mmdmcp.subnet import Subnet, apply

from ..widths.plan import Plan
from ..widths.ranking import Ranking
from ..widths.records import locked
from ..widths.search import Search
from .networks import CifarNet, ResNetSpace
from .together import train_together
from .training import Recipe, train_net


@dataclass
class Start:
    """A network before the recipe trains it.

    Attributes:
        net: The network.
        half: None for the whole recipe, 1 for its second half.
        trained: Whether nothing is left to do.
        seconds: Of its training so far.
        search_macs: Multiply-accumulates of a search for it.
        search_seconds: Seconds of one core that the search took in the process
            that finished it.
    """

    net: nn.Module
    half: int | None = None
    trained: bool = False
    seconds: float = 0.0
    search_macs: int = 0
    search_seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """One arm at one target with one seed.

    Attributes:
        arm: Its name.
        space: The network.
        data: The images, for training and the test, on the device that trains.
        small: The images, for a search.
        folder: Where checkpoints are.
        recipe: Length and batches of the training.
        share: The target as a ratio of the full network.
        search: Iterations, batch and image size of a search.
    """

    arm: str
    space: ResNetSpace
    data: Any
    small: Any
    folder: Path
    recipe: Recipe
    share: float
    search: tuple[int, int, int] = (500, 64, 16)

    @property
    def name(self) -> str:
        """Of its checkpoints."""
        return f'{self.arm}_{self.share}_{self._length}'

    @property
    def _length(self) -> str:
        recipe = self.recipe
        length = f'e{recipe.epochs}_b{recipe.batch}_s{recipe.seed}'
        return length if self.device == 'cpu' else f'{length}_{self.device}'

    @property
    def device(self) -> str:
        """Kind of the device that trains."""
        return str(self.data.device.type)

    @property
    def seed(self) -> int:
        """Of weights, batches and draws."""
        return self.recipe.seed

    @property
    def target(self) -> int:
        """Multiply-accumulates aimed at."""
        return round(self.share * self.space.full_macs)

    def scratch(self, net: CifarNet, **found: Any) -> Start:
        """A network with random weights."""
        torch.manual_seed(self.seed)
        net.initialise()
        return Start(net, **found)

    def half(self) -> Start:
        """The full network after half of the iterations."""
        torch.manual_seed(self.seed)
        start = Start(self.space.model(), half=1)
        path = self.folder / f'half_{self._length}.pth'
        with locked(path.with_suffix('.lock')):
            if self.device == 'cpu':
                start.seconds = train_net(path, start.net, *self._settings, half=0)
            elif path.exists():
                state = torch.load(path, weights_only=True, map_location='cpu')
                start.net.load_state_dict(state['net'])
                start.seconds = state['seconds']
            else:
                start.seconds = train_together([start.net], *self._settings, half=0)
                start.net.cpu()
                state = dict(net=start.net.state_dict(), seconds=start.seconds)
                with atomic_file(path) as file:
                    torch.save(state, file)
        return start

    @property
    def _settings(self) -> tuple[Any, Recipe]:
        return self.data, self.recipe

    def searched(self, plan_of: Callable[..., dict]) -> tuple[Search, float]:
        """A finished search for the target, and its seconds in this process.

        Args:
            plan_of: What it is like: of `dmcp_exp` or `dmcp_fitted` in
                benchmarks/widths.
        """
        iterations, batch, size = self.search
        plan = Plan(
            share=self.share,
            seed=self.seed,
            iterations=iterations,
            batch=batch,
            size=size,
            **plan_of(iterations),
        )
        search = Search(self.space, self.small, plan, self.folder / 'searches')
        start = time.process_time()
        with locked(search.shared.with_suffix('.lock')):
            search.run(until=search.start)
        with locked(self.folder / 'searches' / f'{plan.name}.lock'):
            search.run()
        return search, time.process_time() - start

    def ranking(self, search: Search, by: str) -> Ranking:
        """By a finished search."""
        path = search.weights.with_suffix('.jsonl')
        return Ranking(search.algorithm, self.small, path, by)

    def found(self, search: Callable[[], tuple[Subnet, int, float]]) -> Start:
        """The network that a search finds, which its files keep: however long it
        is trained, it is searched for once.

        Args:
            search: Returns the subnet, the multiply-accumulates of the search
                and its seconds.
        """
        length = 'n{}_b{}_{}px'.format(*self.search)
        name = f'{self.arm}_{self.share}_{length}_s{self.seed}.yaml'
        path = self.folder / 'searches' / name
        price = path.with_suffix('.json')
        with locked(path.with_suffix('.lock')):
            if not price.exists():
                subnet, macs, seconds = search()
                subnet.save(path)
                with atomic_file(price) as file:
                    file.write(json.dumps(dict(macs=macs, seconds=seconds)).encode())
        paid = json.loads(price.read_text())
        net = apply(self.space.model(), Subnet.load(path))
        return self.scratch(
            net, search_macs=paid['macs'], search_seconds=paid['seconds']
        )
