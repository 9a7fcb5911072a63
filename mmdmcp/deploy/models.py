"""The full and the pruned model of a config, whatever its role."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ..checkpoints import is_url, read_weights, require_fit
from ..errors import CheckpointError, ConfigError
from ..models.fit import check_fit, fitted
from ..models.pruned import load_subnet, output_channels
from ..preflight.config import load_config
from ..preflight.searches import search_class
from ..registry import MODELS
from ..subnet import Subnet
from ..walk import is_type


@dataclass
class ModelPair:
    """Configs of a full model and its pruned form, and the subnet file."""

    full: dict[str, Any]
    pruned: dict[str, Any]
    subnet: Subnet

    def build_full(self) -> nn.Module:
        """The full model in eval mode, with random weights."""
        return MODELS.build(self.full).eval()

    def build_pruned(self, checkpoint: str | None = None) -> nn.Module:
        """The pruned model in eval mode.

        Args:
            checkpoint (str, optional): Its weights; all must be there.
        """
        model = MODELS.build(self.pruned).eval()
        check_fit(model)
        if checkpoint:
            load_weights(model, checkpoint)
        return model


def load_pair(
    config: str, subnet: str | None = None, options: Mapping | None = None
) -> ModelPair:
    """Read which models a config is about.

    Args:
        config (str): Config of a search, of a pruned model, or of a stock
            model.
        subnet (str, optional): A subnet file; needed unless the config
            names one, and used in place of the one it names.
        options (Mapping, optional): Settings to override, by dotted key.

    Raises:
        ConfigError: If there is no subnet file for the model.
    """
    full, pruned = _pair(read_model_config(config, options), subnet)
    if pruned is None:
        raise ConfigError(
            f'{config} names no subnet file: add --subnet DMCP_SUBNET_X.yaml'
        )
    named = pruned.get('subnet') or pruned['backbone'].get('subnet')
    return ModelPair(full, pruned, load_subnet(named))


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load weights; all must be there, in shape, and nothing else.

    Raises:
        CheckpointError: If they are not. No code in the file is run.
    """
    if not is_url(checkpoint) and not os.path.isfile(checkpoint):
        raise CheckpointError(f'there is no checkpoint at {checkpoint}')
    try:
        weights = read_weights(checkpoint)
        require_fit(model, weights)
    except CheckpointError as error:
        raise CheckpointError(f'{checkpoint} {error}') from None
    rest = model.load_state_dict(weights, strict=False).unexpected_keys
    if rest:
        raise CheckpointError(
            f'{checkpoint} has {len(rest)} weights that the '
            f'{type(model).__name__} lacks: {", ".join(rest[:3])}. Give the '
            'checkpoint that was trained with this config'
        )


def full_model(config: str, options: Mapping | None = None) -> nn.Module:
    """The full model of a config, with random weights."""
    return MODELS.build(_pair(read_model_config(config, options), None)[0])


def read_model_config(config: str, options: Mapping | None) -> dict:
    """A config's model, with what the Runner would add; its scope is set."""
    cfg = load_config(config, options)
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    # Not a plain dict: some hosts read options of theirs as attributes.
    model = copy.deepcopy(cfg.model)
    if cfg.get('data_preprocessor'):
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return model


def _pair(model: dict, subnet: str | None) -> tuple[dict, dict | None]:
    """Configs of the full and the pruned model; None if no file is named."""
    kind = model.get('type')
    common = {key: model[key] for key in ('data_preprocessor',) if key in model}
    if search_class(model) is not None:
        full = {**common, **model['architecture']}
    elif is_type(kind, 'mmdmcp.DistilledModel'):
        return _pair({**common, **model['student']}, subnet)
    elif is_type(kind, 'mmdmcp.PrunedModel'):
        full = {**common, **model['cfg']}
        if subnet is None:
            return full, model
    elif is_type(kind, 'mmdmcp.FittedModel') or _has_pruned_backbone(model):
        if subnet is not None:
            backbone = dict(model['backbone'], subnet=subnet)
            model = dict(model, backbone=backbone)
        full = {key: value for key, value in model.items() if key != 'host'}
        full['type'] = model.get('host', kind)
        full['backbone'] = model['backbone']['cfg']
        if 'host' not in model:  # in_channels by hand, for the pruned one
            full.update(type=_fitted_to_full, host=kind)
        return full, model
    else:
        full = model
    if subnet is None:
        return full, None
    return full, dict(type='mmdmcp.PrunedModel', cfg=full, subnet=subnet)


def _fitted_to_full(host: str, backbone: dict, **parts: Any) -> nn.Module:
    """A host whose config has the channels of the pruned backbone."""
    built = MODELS.build(backbone)
    channels = output_channels(built, backbone.get('in_channels', 3))
    return fitted(host, built, channels, parts)


def _has_pruned_backbone(model: dict) -> bool:
    backbone = model.get('backbone')
    return isinstance(backbone, dict) and is_type(
        backbone.get('type'), 'mmdmcp.PrunedBackbone'
    )


class Plain(nn.Module):
    """A model as a function of an image batch alone.

    Runs the host's ``forward`` in mode ``tensor``: what its heads give,
    before any post-processing. Of a two-stage detector, what it computes
    before it has boxes: backbone, neck and RPN. Nested outputs become a flat
    tuple.

    Args:
        model (nn.Module): A model of an OpenMMLab package.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model
        self._samples = 'data_samples' in signature(model.forward).parameters

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``[N, C, H, W]``, normalised, to the outputs of the heads."""
        return tuple(_flat(self.outputs(image)))

    def outputs(self, image: Tensor) -> Any:
        """The same as the model nests them."""
        if is_two_stage(self.model):
            features = self.model.extract_feat(image)
            scores, boxes = self.model.rpn_head(features)
            return dict(features=features, rpn_cls_scores=scores, rpn_bbox_preds=boxes)
        if self._samples:  # mmpose has no default for them
            return self.model(image, data_samples=None)
        return self.model(image)


def is_two_stage(model: nn.Module) -> bool:
    """Whether a detector's last heads run on the boxes that it finds: then it
    is no function of the image alone."""
    return all(
        isinstance(getattr(model, part, None), nn.Module)
        for part in ('rpn_head', 'roi_head')
    )


def _flat(output: Any):
    """The tensors of nested lists, tuples and dicts, in order."""
    if isinstance(output, torch.Tensor):
        yield output
        return
    if isinstance(output, dict):
        output = output.values()
    for item in output:
        yield from _flat(item)
