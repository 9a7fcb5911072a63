"""A small network that learns from a large one while it is retrained."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..checkpoints import DISTILLATION
from ..compat import repair_mmrazor
from ..errors import ConfigError
from ..registry import MODELS
from .teacher import Teacher, check_normalisation, load_teacher, outputs

#: What a loss of mmrazor takes beside its own options.
_OURS = ('module', 'teacher_module', 'adapt')
_STUDENT = 'student.'


@MODELS.register_module()
class DistilledModel(BaseModel):
    """Trains a model on its own loss and on what a teacher's modules give.

    The teacher runs in eval mode, without gradients, on the same augmented
    batch. It is no part of the model: it is in no checkpoint, no optimiser
    and no moving average. Checkpoints hold the student under its own names,
    so that the student's own config tests and exports them; adapters stand
    beside it under ``distillation.``.

    Args:
        student (dict): Config of the model that trains, such as a
            :func:`PrunedModel`.
        teacher (dict): Config of the full model. It must normalise images as
            the student does.
        teacher_checkpoint (str): Its weights; every one must be there.
        losses (dict[str, dict]): By name, a loss each: the options of a loss
            module (``type='mmrazor.KLDivergence'``, ``'mmrazor.DISTLoss'``,
            ``'mmrazor.ChannelWiseDivergence'``, ``'mmrazor.PKDLoss'``, or any
            registered module that is called with the student's and the
            teacher's tensor), and beside them ``module``, the module whose
            outputs are compared (``'head.fc'``, ``'decode_head.conv_seg'``,
            ``'bbox_head'``, ``'neck'``); ``teacher_module`` where the teacher
            calls it something else; and ``adapt=True`` for a 1x1 convolution
            that brings the student's channels to the teacher's number. A
            module with several outputs (levels of a pyramid, classes and
            boxes), or that is called several times, contributes the mean.
        input_shape (tuple[int, int, int]): Channels, height and width of a
            sample; only ``adapt=True`` needs it. Defaults to (3, 224, 224).
        data_preprocessor (dict, optional): For the student, if it has none.
        init_cfg (dict, optional): As in MMEngine.

    Raises:
        ConfigError: If a module is missing, a loss can't be built, or the
            two normalise images differently.
        CheckpointError: If the teacher's checkpoint is missing, damaged, or
            another model's.

    Example:
        >>> model = dict(
        ...     type='mmdmcp.DistilledModel',
        ...     student=dict(type='mmdmcp.PrunedModel', cfg=full, subnet=file),
        ...     teacher=full,
        ...     teacher_checkpoint='epoch_100.pth',
        ...     losses=dict(kd=dict(type='mmrazor.KLDivergence', module='head.fc')))
    """

    def __init__(
        self,
        student: dict,
        teacher: dict,
        teacher_checkpoint: str,
        losses: dict[str, dict],
        input_shape: tuple[int, int, int] = (3, 224, 224),
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        built = _build('student', student, data_preprocessor)
        super().__init__(built.data_preprocessor, init_cfg)
        self.student = built
        self._teacher = Teacher(_build('teacher', teacher, data_preprocessor))
        check_normalisation(built, self._teacher.model)
        load_teacher(self._teacher.model, teacher_checkpoint)
        if not isinstance(losses, Mapping) or not losses:
            raise ConfigError(
                f'losses={losses!r}: give one or more by name, such as '
                "dict(kd=dict(type='mmrazor.KLDivergence', module='head.fc'))"
            )
        self.losses = nn.ModuleDict()
        self._modules_of: dict[str, tuple[str, str]] = {}
        for name, options in losses.items():
            self._add_loss(name, options)
        self.adapters = nn.ModuleDict()
        wanted = [name for name, options in losses.items() if options.get('adapt')]
        if wanted:
            self._add_adapters(wanted, input_shape)
        self._register_state_dict_hook(_plain_names)
        self._register_load_state_dict_pre_hook(self._accept_plain_names)

    # ---- building ----------------------------------------------------

    def _add_loss(self, name: str, options: Any) -> None:
        if not isinstance(options, Mapping) or not options.get('module'):
            raise ConfigError(
                f'losses.{name}={options!r}: give the type of a loss, and '
                'module, the name of the module whose outputs are compared'
            )
        student = options['module']
        teacher = options.get('teacher_module') or student
        for role, model, module in (
            ('student', self.student, student),
            ('teacher', self._teacher.model, teacher),
        ):
            known = dict(model.named_modules())
            if module not in known:
                top = ', '.join(n for n in known if n and n.count('.') <= 1)
                raise ConfigError(
                    f'losses.{name}: the {role} has no module {module!r}; '
                    f'it has {top[:300]}'
                )
        own = {key: value for key, value in options.items() if key not in _OURS}
        if str(own.get('type')).startswith('mmrazor.'):
            repair_mmrazor()
        try:
            self.losses[name] = MODELS.build(own)
        except (KeyError, TypeError, AssertionError) as error:
            raise ConfigError(f'losses.{name}: {error}') from error
        self._modules_of[name] = (student, teacher)

    @torch.no_grad()
    def _add_adapters(self, names: list[str], input_shape: tuple) -> None:
        """One 1x1 convolution per output, from a pass of one sample each."""
        sample = torch.zeros(1, *input_shape)
        modes = {module: module.training for module in self.student.modules()}
        self.student.eval()
        with (
            self._watch_student() as ours,
            self._teacher.watch(self._modules_of) as its,
        ):
            self.student(sample, mode='tensor')
            self._teacher.model(sample, mode='tensor')
        for module, training in modes.items():
            module.training = training
        for name in names:
            self.adapters[name] = nn.ModuleList(
                nn.Conv2d(a.shape[1], b.shape[1], 1)
                for a, b in zip(ours[name], its[name])
            )

    # ---- running -----------------------------------------------------

    def forward(
        self, inputs: Any, data_samples: Any = None, mode: str = 'tensor'
    ) -> Any:
        """The student's forward; in mode ``loss`` with the losses of
        distillation, as ``loss_<name>``."""
        if mode != 'loss':
            return self.student(inputs, data_samples, mode=mode)
        with self._watch_student() as ours:
            found = dict(self.student(inputs, data_samples, mode='loss'))
        self._teacher.to_device_of(self.student)
        with torch.no_grad(), self._teacher.watch(self._modules_of) as its:
            self._teacher.model(inputs, data_samples, mode='tensor')
        for name, loss in self.losses.items():
            found[f'loss_{name}'] = self._distil(name, loss, ours[name], its[name])
        return found

    def _distil(
        self, name: str, loss: nn.Module, ours: list[Tensor], its: list[Tensor]
    ) -> Tensor:
        if len(ours) != len(its):
            raise ConfigError(
                f'losses.{name}: {self._modules_of[name][0]} gave {len(ours)} '
                f'tensors in the student and {len(its)} in the teacher in one '
                'pass; compare a module that both run alike'
            )
        if name in self.adapters:
            ours = [adapt(a) for adapt, a in zip(self.adapters[name].children(), ours)]
        for a, b in zip(ours, its):
            if a.shape != b.shape:
                raise ConfigError(
                    f'losses.{name}: {self._modules_of[name][0]} gives '
                    f'{list(a.shape)} in the student and {list(b.shape)} in the '
                    f'teacher. Channels can be brought together with '
                    f'losses.{name}.adapt=True'
                )
        return torch.stack([loss(a, b) for a, b in zip(ours, its)]).mean()

    def val_step(self, data: dict | tuple | list) -> list:
        """Predictions of the student."""
        return self.student.val_step(data)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predictions of the student."""
        return self.student.test_step(data)

    def _watch_student(self) -> Any:
        places = {name: student for name, (student, _) in self._modules_of.items()}
        return outputs(self.student, places)

    def _accept_plain_names(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Load the student under its own names."""
        own = prefix + DISTILLATION
        for key in [k for k in state_dict if k.startswith(prefix)]:
            if key.startswith(own):
                new = prefix + key[len(own) :]
            elif key.startswith(prefix + _STUDENT):
                continue
            else:
                new = prefix + _STUDENT + key[len(prefix) :]
            state_dict[new] = state_dict.pop(key)


def _build(role: str, cfg: Any, data_preprocessor: dict | None) -> BaseModel:
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise ConfigError(f'{role}={cfg!r}: give the config of a model')
    cfg = dict(cfg)
    if data_preprocessor is not None:
        cfg.setdefault('data_preprocessor', data_preprocessor)
    model = MODELS.build(cfg)
    if not isinstance(model, BaseModel):
        raise ConfigError(
            f'{role}: a {type(model).__name__} is no model of MMEngine; name one '
            'that a Runner could train'
        )
    return model


def _plain_names(module: nn.Module, state_dict: dict, prefix: str, *_: Any) -> None:
    """Save the student under its own names, and apart from it what only
    teaches it."""
    start = prefix + _STUDENT
    keys = [key for key in state_dict if key.startswith(prefix)]
    for key in [key for key in keys if not key.startswith(start)]:
        new = prefix + DISTILLATION + key[len(prefix) :]
        state_dict[new] = state_dict.pop(key)
    for key in [key for key in keys if key.startswith(start)]:
        state_dict[prefix + key[len(start) :]] = state_dict.pop(key)
