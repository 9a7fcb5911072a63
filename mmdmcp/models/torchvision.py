"""A torchvision classifier as a model that MMEngine's Runner trains."""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from ..errors import ConfigError
from ..registry import MODELS


@MODELS.register_module()
class TorchvisionClassifier(BaseModel):
    """A classification network of torchvision, to search and to retrain.

    The network is the child ``model``: in a subnet file its layers are
    called ``model.conv1`` and so on, and
    ``mmdmcp.subnet.apply(torchvision.models.resnet50(), file, 'model.')``
    makes the plain network small.

    Args:
        name (str): Name in ``torchvision.models``, such as ``'resnet50'``.
        num_classes (int): Classes. Defaults to 1000.
        weights (str, optional): Weights of torchvision's, such as
            ``'DEFAULT'``; only for 1000 classes. Defaults to None.
        options (dict, optional): Other arguments of the network. The
            auxiliary classifiers of GoogLeNet and Inception V3 are left out.
        label_smoothing (float): Of the cross entropy. Defaults to 0.
        data_preprocessor (dict, optional): As any classifier of mmpretrain
            has it. Defaults to mmpretrain's without normalisation.
        init_cfg (dict, optional): As in MMEngine.

    Raises:
        ConfigError: If torchvision has no such network, or auxiliary
            classifiers are asked for.

    Example:
        >>> model = dict(
        ...     type='mmdmcp.DMCP',
        ...     architecture=dict(
        ...         type='mmdmcp.TorchvisionClassifier', name='resnet50'),
        ...     distillation='model.fc',
        ...     target='2.2G')
    """

    def __init__(
        self,
        name: str,
        num_classes: int = 1000,
        weights: str | None = None,
        options: dict | None = None,
        label_smoothing: float = 0.0,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            {'type': 'mmpretrain.ClsDataPreprocessor', **(data_preprocessor or {})},
            init_cfg,
        )
        from torchvision import models

        known = models.list_models(module=models)
        if name not in known:
            raise ConfigError(
                f'name={name!r}: torchvision.models has no such classifier; '
                f'it has {", ".join(known)}'
            )
        options = options or {}
        if options.get('aux_logits'):
            raise ConfigError(
                'options.aux_logits=True: auxiliary classifiers run in '
                'training only, with the full width of what they read, and '
                'their loss is not used here; leave the option out'
            )
        self.model = models.get_model(
            name, weights=weights, num_classes=num_classes, **options
        )
        _drop_auxiliary(self.model)
        self.label_smoothing = label_smoothing

    def forward(
        self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor'
    ):
        """Logits, losses or predictions, as MMEngine asks for them.

        Args:
            inputs (Tensor): Normalised images, ``[N, C, H, W]``.
            data_samples (list[DataSample], optional): With ``gt_label``.
            mode (str): ``'tensor'``, ``'loss'`` or ``'predict'``.
        """
        logits = self.model(inputs)  # [N, classes]
        if mode == 'tensor':
            return logits
        if mode == 'loss':
            return self._loss(logits, data_samples)
        if mode == 'predict':
            return self._predict(logits, data_samples)
        raise ConfigError(f'mode={mode!r} is not tensor, loss or predict')

    def _loss(self, logits: Tensor, data_samples: list | None) -> dict[str, Tensor]:
        labels = torch.cat([sample.gt_label for sample in data_samples or ()])
        return dict(
            loss=F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        )

    def _predict(self, logits: Tensor, data_samples: list | None) -> list:
        from mmpretrain.structures import DataSample

        scores = logits.softmax(dim=1)
        samples = data_samples or [DataSample() for _ in scores]
        for sample, score in zip(samples, scores):
            sample.set_pred_score(score).set_pred_label(score.argmax())
        return samples


def _drop_auxiliary(model: Any) -> None:
    """Leave out what only training runs and a trace does not see.

    As torchvision itself does: with pretrained weights it takes no
    ``aux_logits=False``.
    """
    if getattr(model, 'aux_logits', False):
        model.aux_logits = False
        for name in ('aux1', 'aux2', 'AuxLogits'):
            if hasattr(model, name):
                setattr(model, name, None)
