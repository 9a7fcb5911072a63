"""A checkpoint must fit the model, or the run ends.

MMEngine loads what fits and logs the rest; it would print the accuracy of a
network whose weights are still random.
"""

import functools
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.runner import Runner

from ..checkpoints import ignore_distillation
from ..errors import CheckpointError, first_line
from ..walk import is_type
from .searches import search_class

_MISMATCH = 'The model and loaded state dict do not match exactly'
_SMALL = ('mmdmcp.PrunedModel', 'mmdmcp.FittedModel')


def insist_on_fit(runner: Runner, remedy: str) -> None:
    """From now on, a checkpoint that does not fit is an error.

    Args:
        runner: Loads checkpoints, to test, to resume or to start from.
        remedy: What to do, for the message.
    """
    load = runner.load_checkpoint
    if not is_type(runner.cfg.model.get('type'), 'mmdmcp.DistilledModel'):
        model = getattr(runner.model, 'module', runner.model)
        model._register_load_state_dict_pre_hook(ignore_distillation, True)
    subnet = _subnet(runner.cfg.model)
    built = f' (model.subnet={subnet})' if subnet else ''

    @functools.wraps(load)
    def load_checkpoint(filename, *args, **kwargs):
        try:
            return load(filename, *args, **dict(kwargs, strict=True))
        except RuntimeError as error:
            what, _, why = str(error).partition('\n')
            if what != _MISMATCH:
                raise
            raise CheckpointError(
                f'{filename} does not fit the model of this config{built}: '
                f'{first_line(why, 300).rstrip(".")}. {remedy}'
            ) from None

    runner.load_checkpoint = load_checkpoint


def remedy_for_load_from(cfg: Config) -> str | None:
    """What to do about a ``load_from`` that does not fit.

    None where it need not fit: the full network may be fine-tuned with
    another head, and methods that prune a trained network have a check of their
    own.
    """
    method = search_class(cfg.model, cfg.get('default_scope'))
    if method is not None and not method.starts_pretrained:
        return 'Give load_from a checkpoint of this search, or of the plain network'
    if _subnet(cfg.model) is not None:
        return (
            'Give load_from a checkpoint that was trained with this '
            'subnet file, or model.subnet the file it was trained with'
        )
    return None


def _subnet(model: Mapping) -> str | None:
    """The subnet file of a pruned model."""
    backbone = model.get('backbone')
    if is_type(model.get('type'), *_SMALL) or (
        isinstance(backbone, Mapping)
        and is_type(backbone.get('type'), 'mmdmcp.PrunedBackbone')
    ):
        return model.get('subnet') or (backbone or {}).get('subnet')
    return None
