"""Static pruned networks, built from a subnet file by any Runner.

Both types are functions: what they return is the host's own model, made
small in place. Its class, its ``state_dict`` keys and everything that the
host does with it stay as they are. Nothing is traced, and mmrazor is not
needed.
"""

import os
from typing import Any

import torch
from torch import nn

from ..checkpoints import initialisers, is_pretrained
from ..compat import repair_mmengine
from ..errors import ConfigError, SubnetError, first_line, shown
from ..modes import eval_mode
from ..registry import MODELS, build
from ..shipped import locate
from ..subnet import Subnet, apply
from .weights import FullModel, InitCfg, checked_init_cfgs

SubnetLike = str | os.PathLike | Subnet

# Sizes of image that tell the channels of a backbone's outputs. A single
# pixel in the deepest one is quickest; some norms refuse that.
_PROBES = ((32, 32), (64, 32))


@MODELS.register_module()
def PrunedModel(
    cfg: dict | nn.Module,
    subnet: SubnetLike,
    init_cfg: InitCfg = None,
    data_preprocessor: dict | None = None,
    prefix: str | dict[str, str] | None = None,
) -> nn.Module:
    """Build a model, small as the subnet file says.

    Args:
        cfg (dict or nn.Module): Config of the full model that was searched,
            of any OpenMMLab package; or the model itself.
        subnet (str or Subnet): The file: an absolute path, a path from the
            working directory, or one below the shipped ``configs/``.
        init_cfg (dict or list, optional): As any MMEngine module's, for the
            small model: ``dict(type='Pretrained', checkpoint=...)`` loads
            its own weights, or those of the full model, sliced by the file's
            rows. Defaults to None: what ``cfg`` says.
        data_preprocessor (dict, optional): What the Runner hands to a
            model; goes to ``cfg`` if it has none.
        prefix (str or dict, optional): Which rows of the file to use; see
            :func:`mmdmcp.subnet.apply`. ``{'': ''}`` accepts another head
            than the searched model's. Defaults to None: every row, and the
            parameters must add up.

    Raises:
        SubnetError: If the file is missing, damaged or another model's.
        ConfigError: If ``cfg`` is no config of a model.

    Example:
        >>> model = dict(
        ...     type='mmdmcp.PrunedModel',
        ...     cfg=_base_.model,
        ...     subnet='work_dirs/search/DMCP_SUBNET_RESNET50.yaml')
    """
    subnet = load_subnet(subnet)
    full = _full_model(cfg, subnet, prefix, init_cfg)
    model = apply(_build(cfg, data_preprocessor), subnet, prefix)
    checked_init_cfgs(model, init_cfg, full=full)
    return model


@MODELS.register_module()
def PrunedBackbone(
    cfg: dict | nn.Module,
    subnet: SubnetLike,
    prefix: str | dict[str, str] = 'backbone.',
    init_cfg: InitCfg = None,
    pretrained: None = None,
) -> nn.Module:
    """Build a backbone for a detector or segmentor, small as the file says.

    ``frozen_stages``, ``norm_eval``, ``out_indices`` and all else are the
    host's, set in ``cfg``. The backbone gets ``out_channels``, a list with
    the channels of each of its outputs; a neck or head beside it that
    expects others is refused before training (:func:`~mmdmcp.models.fit.check_fit`).
    :class:`FittedModel` fills them in.

    Args:
        cfg (dict or nn.Module): Config of the full backbone.
        subnet (str or Subnet): As in :func:`PrunedModel`.
        prefix (str or dict): Under which names the file has the backbone's
            layers. Defaults to ``'backbone.'``: the file is a classifier's.
        init_cfg (dict or list, optional): ``dict(type='Pretrained',
            checkpoint=...)`` with the checkpoint of the retrained
            classifier (or of the backbone alone; the prefix is found), or of
            the full one, which is sliced by the file's rows. Defaults to
            None. An ``init_cfg`` inside ``cfg`` that loads
            weights is the full network's and is refused in training.
        pretrained (None): Hosts that set ``model.pretrained`` pass it on;
            there are no such weights for a pruned backbone.

    Raises:
        SubnetError: If the file does not fit the backbone.
        ConfigError: If ``pretrained`` is given.

    Example:
        >>> backbone = dict(
        ...     _delete_=True,
        ...     type='mmdmcp.PrunedBackbone',
        ...     cfg=_base_.model.backbone,
        ...     subnet='pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml',
        ...     init_cfg=dict(type='Pretrained', checkpoint='small.pth'))
    """
    if pretrained is not None:
        raise ConfigError(
            f'pretrained={shown(pretrained)} are weights of the full backbone; '
            "set model.pretrained=None and give the pruned classifier's "
            'checkpoint as model.backbone.init_cfg'
        )
    subnet = load_subnet(subnet)
    full = _full_model(cfg, subnet, prefix, init_cfg)
    backbone: Any = apply(_build(cfg), subnet, prefix)
    _check_size(backbone, subnet)
    checked_init_cfgs(backbone, init_cfg, prefix, full)
    backbone.out_channels = output_channels(backbone, subnet.cost['input_shape'][0])
    backbone.pruned_out_channels = backbone.out_channels  # for check_fit
    return backbone


def _full_model(
    cfg: dict | nn.Module, subnet: Subnet, prefix: Any, init_cfg: InitCfg
) -> FullModel | None:
    """What weights of the full model are sliced by, if there may be any."""
    if not any(map(is_pretrained, initialisers(init_cfg))):
        return None
    return FullModel(cfg, _build, subnet, prefix)


def load_subnet(subnet: SubnetLike) -> Subnet:
    """Load a subnet from its path; an error names a file that is missing.

    Args:
        subnet (str or Subnet): Absolute, relative to the working directory,
            or relative to the shipped ``configs/`` folder.
    """
    if isinstance(subnet, Subnet):
        return subnet
    if not isinstance(subnet, (str, os.PathLike)):
        raise ConfigError(
            f'subnet must be the path of a DMCP_SUBNET*.yaml, not {shown(subnet)}'
        )
    return Subnet.load(locate(subnet) or os.path.expanduser(subnet))


def _build(cfg: dict | nn.Module, data_preprocessor: dict | None = None) -> nn.Module:
    repair_mmengine()
    if isinstance(cfg, nn.Module):
        return cfg
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise ConfigError(
            f'cfg must be the config of a model, a dict with type, not {shown(cfg)}'
        )
    cfg = cfg.copy()
    if data_preprocessor is not None and not cfg.get('data_preprocessor'):
        cfg['data_preprocessor'] = data_preprocessor
    return build('cfg', cfg)


def _check_size(backbone: nn.Module, subnet: Subnet) -> None:
    """A part can't be larger than the whole that the file describes."""
    params = sum(p.numel() for p in backbone.parameters())
    if params > subnet.cost['params']:
        raise SubnetError(
            f'the pruned {type(backbone).__name__} would have {params} '
            'parameters, more than the whole model of the file '
            f'({subnet.cost["params"]}): it was made for a smaller one. Build '
            'the backbone that was searched (depth, variant)'
        )


@torch.no_grad()
def output_channels(backbone: nn.Module, in_channels: int) -> list[int]:
    """Channels of each output, by running a small black image through.

    Args:
        backbone (nn.Module): Any backbone; its mode stays as it is.
        in_channels (int): Channels of the image.

    Raises:
        SubnetError: If it does not run.
    """
    weight = next(backbone.parameters())
    with eval_mode(backbone):
        for size in _PROBES:
            try:
                outputs = backbone(weight.new_zeros(1, in_channels, *size))
                break
            except (RuntimeError, ValueError) as error:
                reason = first_line(error)
        else:
            raise SubnetError(
                f'the pruned {type(backbone).__name__} does not run '
                f'({reason}): the file was made for another variant of it, '
                'or edited'
            )
    if isinstance(outputs, torch.Tensor):
        outputs = [outputs]
    return [output.shape[1] for output in outputs]
