"""In-place distillation: narrow networks learn from the widest one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError, shown

# Modules whose output is the prediction, by the model's attribute: heads of
# mmpretrain classifiers, and what a mmseg decode head ends with.
_USUAL = ('head.fc', 'decode_head.conv_seg')


class InPlaceDistillation:
    """Kullback-Leibler divergence to the widest network's prediction.

    The prediction is the output of one module, seen while the model runs
    in whatever mode: no second pass for the teacher. Temperature 1, weight
    1, the teacher detached (authors' release). Classes are along dimension
    1: logits ``[N, classes]`` or ``[N, classes, H, W]``. One class alone is
    a sigmoid's.

    Args:
        model: The model.
        module: Name of the module; ``'auto'`` finds the usual ones.

    Raises:
        ConfigError: If there is no such module.
    """

    def __init__(self, model: nn.Module, module: str = 'auto') -> None:
        names = dict(model.named_modules())
        if isinstance(module, str) and module == 'auto':
            found = [name for name in _USUAL if name in names]
            linears = [
                name
                for name, m in names.items()
                if isinstance(m, nn.Linear) and name.startswith('head.')
            ]
            found = found or linears[-1:]
            if not found:
                raise ConfigError(
                    "distillation='auto' finds no classifier in "
                    f'{type(model).__name__}; name the module that makes the '
                    "logits (distillation='head.fc'), or set "
                    'distillation=None: every network learns from the labels'
                )
            module = found[0]
        elif not isinstance(module, str) or not module or module not in names:
            raise ConfigError(
                f'distillation={shown(module)}: the model has no module of that name'
            )
        self.module = module
        self._output: object | None = None

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Note the module's outputs inside; copies of the model made
        outside know nothing of it."""
        handle = model.get_submodule(self.module).register_forward_hook(self._record)
        try:
            yield
        finally:
            handle.remove()
            self._output = None

    def _record(self, _module: nn.Module, _inputs: tuple, output: object) -> None:
        self._output = output

    def take(self, teacher: Tensor | None = None) -> Tensor:
        """What the module returned last, once.

        Args:
            teacher: What it returned in the widest network, to learn from.

        Raises:
            ConfigError: If it was not called, did not return one tensor, or
                narrow networks return another shape there.
        """
        output, self._output = self._output, None
        if output is None:
            raise ConfigError(
                f'distillation={self.module!r}: the module was not called; '
                'name one that every forward pass runs'
            )
        if not isinstance(output, Tensor):
            raise ConfigError(
                f'distillation={self.module!r}: the module returns a '
                f'{type(output).__name__}, not one tensor of logits. Name the '
                f'one that makes them, usually {" or ".join(_USUAL)}, or set '
                'distillation=None'
            )
        if teacher is not None and output.shape != teacher.shape:
            raise ConfigError(
                f'distillation={self.module!r}: the module gives '
                f'{list(output.shape)} in a narrow network and '
                f'{list(teacher.shape)} in the widest: its width is '
                'searched. Name the one that makes the logits, usually '
                f'{" or ".join(_USUAL)}, or set distillation=None'
            )
        return output

    @staticmethod
    def loss(student: Tensor, teacher: Tensor) -> Tensor:
        """KL(teacher || student), averaged over samples and positions.

        Args:
            student: Logits ``[N, classes, ...]``.
            teacher: Logits of the same shape, detached.
        """
        if student.size(1) == 1:  # sigmoid(x) is the softmax of x and 0
            student, teacher = (
                torch.cat([x, torch.zeros_like(x)], dim=1) for x in (student, teacher)
            )
        count = student.numel() // student.size(1)
        return (
            F.kl_div(
                student.float().log_softmax(dim=1),
                teacher.float().log_softmax(dim=1),
                reduction='sum',
                log_target=True,
            )
            / count
        )
