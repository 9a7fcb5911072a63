"""One prunable unit, as users see it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..ops import Selection

if TYPE_CHECKING:
    from .mutator import ChannelMutator


class ChannelUnit:
    """Layers that keep the same channels.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
    """

    def __init__(self, name: str, num_channels: int) -> None:
        self.name = name
        self.num_channels = num_channels
        self._mutator: ChannelMutator | None = None

    def attach(self, mutator: 'ChannelMutator') -> None:
        """Tell whose unit it is: the mutator knows what runs."""
        self._mutator = mutator

    @property
    def choices(self) -> Sequence[int]:
        """Numbers of channels that it may keep, ascending."""
        return range(1, self.num_channels + 1)

    @property
    def current_choice(self) -> Selection:
        """What the network runs with: the first so many channels, or the
        indices of those that are kept. May be set."""
        if self._mutator is None:
            return self.num_channels
        return self._mutator.current_choices[self.name]

    @current_choice.setter
    def current_choice(self, choice: Selection) -> None:
        if self._mutator is None:
            raise AttributeError(
                f'{self.name}: a unit of no mutator keeps all channels'
            )
        self._mutator.set_choices({self.name: choice})

    def sample_choice(self, generator: torch.Generator | None = None) -> int:
        """Draw a number of channels uniformly from :attr:`choices`."""
        index = torch.randint(len(self.choices), (), generator=generator)
        return self.choices[int(index)]

    def __repr__(self) -> str:
        current = self.current_choice
        kept = current if isinstance(current, int) else len(current)
        return f'{type(self).__name__}({self.name!r}, {kept}/{self.num_channels})'
