"""The network that another one learns from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..checkpoints import read_weights, require_fit
from ..errors import CheckpointError, ConfigError


class Teacher:
    """A model that no module owns: not in checkpoints, optimisers, averages."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self  # a moving average of the student has the same teacher

    def to_device_of(self, model: nn.Module) -> None:
        """Follow the student to its device."""
        self.model.to(next(model.parameters()).device)

    def watch(self, modules: Mapping[str, tuple[str, str]]) -> Any:
        """Collect the outputs of the teacher's modules."""
        return outputs(self.model, {n: teacher for n, (_, teacher) in modules.items()})


@contextmanager
def outputs(
    model: nn.Module, places: Mapping[str, str]
) -> Iterator[dict[str, list[Tensor]]]:
    """Tensors that modules give while the model runs, by name of the loss."""
    found: dict[str, list[Tensor]] = {name: [] for name in places}

    def note(name: str) -> Any:
        return lambda _m, _i, output: found[name].extend(
            x for x in tree_leaves(output) if isinstance(x, Tensor)
        )

    handles = [
        model.get_submodule(place).register_forward_hook(note(name))
        for name, place in places.items()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def check_normalisation(student: BaseModel, teacher: BaseModel) -> None:
    """The student's batch is all that the teacher sees.

    Raises:
        ConfigError: If the two normalise images differently.
    """
    for key in ('mean', 'std'):
        ours, its = (
            None if value is None else value.flatten().tolist()
            for value in (
                getattr(model.data_preprocessor, key, None)
                for model in (student, teacher)
            )
        )
        if ours != its:
            raise ConfigError(
                f'data_preprocessor.{key} of student and teacher differ, but the '
                'teacher sees the images that the student sees: give both the '
                'same, or train a teacher with the same'
            )


def load_teacher(teacher: nn.Module, checkpoint: str) -> None:
    """Give the teacher its weights, every one of them.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or another
            model's.
    """
    try:
        weights = read_weights(checkpoint)
        require_fit(
            teacher,
            weights,
            'Give the checkpoint of the network that `teacher` describes',
        )
    except CheckpointError as error:
        raise CheckpointError(f'teacher_checkpoint: {checkpoint} {error}') from None
    teacher.load_state_dict(weights, strict=False)
