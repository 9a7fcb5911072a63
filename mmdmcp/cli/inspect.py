"""``mmdmcp inspect``: what of a model can be pruned, before anything is run."""

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from . import report_errors
from .options import (
    DEFAULT_SHAPE,
    add_cfg_options,
    add_input_shape,
    add_model_choice,
)

if TYPE_CHECKING:
    from torch import nn

    from ..plain import Inspection


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Show what of a model can be pruned: units and the layers they '
        'tie, their share of the cost, what is left whole and why, and whether a '
        'target can be met. Needs no data and no GPU.'
    )
    add_model_choice(parser, 'config of a search, or of the full model')
    parser.add_argument(
        '--target', help="such as 50%% or 1.8G; by default that of the search's config"
    )
    add_input_shape(parser, "that of the search's config, or 3 224 224")
    parser.add_argument(
        '--json', action='store_true', help='print JSON instead of tables'
    )
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.model and args.cfg_options:
        parser.error('--cfg-options belong to a config')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _inspect(args))


def _inspect(args: argparse.Namespace) -> None:
    found = _of_model(args) if args.model else _of_config(args)
    print(json.dumps(found.to_dict()) if args.json else found)


def _of_model(args: argparse.Namespace) -> 'Inspection':
    import torch

    from ..plain import inspect

    shape = args.input_shape or DEFAULT_SHAPE
    model = torchvision_model(args.model)
    return inspect(model, torch.rand(1, *shape), args.target)


def torchvision_model(model: str, weights: str | None = None) -> 'nn.Module':
    """What ``--model torchvision:NAME`` names.

    Args:
        model: That.
        weights: As torchvision's ``get_model`` takes them.

    Raises:
        ConfigError: If there is no such model.
    """
    from ..errors import ConfigError

    source, _, name = model.partition(':')
    if source != 'torchvision' or not name:
        raise ConfigError(
            f'--model {model}: write torchvision:NAME, such as '
            'torchvision:resnet50; models of your own are inspected from Python, '
            'with mmdmcp.inspect(model, example_inputs)'
        )
    from torchvision import models

    if name not in models.list_models():
        raise ConfigError(
            f'--model {model}: torchvision has no such model; it has '
            f'{", ".join(models.list_models(module=models))} and others'
        )
    return models.get_model(name, weights=weights)


def _of_config(args: argparse.Namespace) -> 'Inspection':
    from ..deploy.models import full_model, read_model_config
    from ..errors import TargetError
    from ..plain.inspection import look
    from ..preflight.config import load_config
    from ..preflight.searches import search_class
    from ..preflight.sizes import config_notices
    from ..registry import MODELS
    from ..supernet import Supernet

    config = read_model_config(args.config, args.cfg_options)
    if args.input_shape:
        config['input_shape'] = args.input_shape
    target = args.target or config.get('target')
    if search_class(config) is None:
        shape = args.input_shape or DEFAULT_SHAPE
        supernet = Supernet(full_model(args.config, args.cfg_options), shape)
        found = look(supernet, target)
    else:
        config['target'] = target
        try:
            mutator = MODELS.build(config).mutator
        except TargetError:  # an answer here: build it with one that any meets
            mutator = MODELS.build(dict(config, target='99.9%')).mutator
        choices = [unit.choices for unit in mutator.units]
        found = look(mutator.supernet, target, choices)
    cfg = load_config(args.config, args.cfg_options)
    notices = config_notices(cfg, found.input_shape)
    return replace(found, warnings=tuple(notices))
