"""Which channels are the same channel: a union-find over integer tensors.

Every output channel of every layer has a number. Channels that must stay
or go together are joined; numbers that can't go at all are marked, with
the reason.
"""

import torch
from torch import Tensor

#: Labels of entries that belong to no channel, and of entries that can't
#: change (the image's channels).
NONE, FIXED = 0, 1
_FIRST = 2


def unexpanded(labels: Tensor) -> Tensor:
    """The same with size 1 along expanded dimensions."""
    for dim, (size, stride) in enumerate(zip(labels.shape, labels.stride())):
        if size > 1 and stride == 0:
            labels = labels.narrow(dim, 0, 1)
    return labels


class ChannelClasses:
    """Classes of joined channels.

    Attributes:
        reasons (dict[int, str]): Why a number can't go.
        mixed (dict[int, str]): Where something is computed from a number's
            entries and others' that a channel of zeros would change.
        ties (dict[int, str]): Where numbers were joined last.
    """

    def __init__(self) -> None:
        self._parent = torch.arange(_FIRST)
        self.reasons: dict[int, str] = {FIXED: "its channels are the input's"}
        self.mixed: dict[int, str] = {}
        self.ties: dict[int, str] = {}

    def new(self, count: int) -> Tensor:
        """Numbers of ``count`` new channels."""
        first = len(self._parent)
        numbers = torch.arange(first, first + count)
        self._parent = torch.cat([self._parent, numbers])
        return numbers

    def find(self, labels: Tensor) -> Tensor:
        """The smallest number of each label's class, in the same shape."""
        return self._parent[unexpanded(labels)].expand(labels.shape)

    def join(self, a: Tensor, b: Tensor, where: str) -> None:
        """Join channels pairwise.

        Args:
            a: Labels.
            b: Labels that broadcast with them.
            where: What joins them: a layer, or an operation in a module.
        """
        a, b = (
            x.flatten() for x in torch.broadcast_tensors(self.find(a), self.find(b))
        )
        differ = (a != b) & (a != NONE) & (b != NONE)
        if not differ.any():
            return
        a, b = a[differ], b[differ]
        fixed = (a == FIXED) | (b == FIXED)
        self.fix(torch.maximum(a, b)[fixed], joined(where))
        a, b = a[~fixed], b[~fixed]
        parent = self._parent
        while not torch.equal(parent[a], parent[b]):
            low, high = (
                f(parent[a], parent[b]) for f in (torch.minimum, torch.maximum)
            )
            parent.scatter_reduce_(0, high, low, 'amin')
            while not torch.equal(parent, parent[parent]):
                parent.copy_(parent[parent])
        self.ties.update(dict.fromkeys(parent[a].unique().tolist(), where))

    def fix(self, labels: Tensor, reason: str) -> None:
        """Mark channels as ones that can't go."""
        for number in self.find(labels).unique().tolist():
            if number != NONE:
                self.reasons.setdefault(number, reason)

    def mix(self, labels: Tensor, where: str) -> None:
        """Note where channels are mixed in a way that zeros show."""
        for number in self.find(labels).unique().tolist():
            self.mixed.setdefault(number, where)

    def fixed_classes(self) -> dict[int, str]:
        """Classes with a fixed member, each with its reason."""
        return self._by_class(self.reasons)

    def mixed_classes(self) -> dict[int, str]:
        """Classes with a mixed member, and where it is mixed."""
        return self._by_class(self.mixed)

    def _by_class(self, notes: dict[int, str]) -> dict[int, str]:
        found: dict[int, str] = {}
        for number, note in notes.items():
            found.setdefault(int(self._parent[number]), note)
        return found


def joined(where: str) -> str:
    """Why channels can't go that meet fixed ones there."""
    return f"its channels are joined with some that can't change ({where})"
