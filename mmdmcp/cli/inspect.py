"""``mmdmcp inspect``: what of a model can be pruned, before anything is run."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import report_errors
from .options import (
    DEFAULT_SHAPE,
    add_cfg_options,
    add_input_shape,
    add_model_choice,
)

if TYPE_CHECKING:
    from torch import nn

    from ..supernet import Supernet


@dataclass(frozen=True)
class _Subject:
    """What is inspected.

    Attributes:
        supernet: Of the model.
        target: What is aimed at, if anything is.
        choices: Numbers of channels that each unit may keep; None for any.
        steps: The same for the networks to beat, where they are finer.
        notices: What of a config can't be meant.
    """

    supernet: 'Supernet'
    target: Any
    choices: Sequence[Sequence[int]] | None = None
    steps: Sequence[Sequence[int]] | None = None
    notices: tuple[str, ...] = ()


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
        '--uniform',
        metavar='FILE',
        help='also write the network to beat, a subnet file: all units narrowed '
        'alike, to the target',
    )
    parser.add_argument(
        '--balanced',
        metavar='FILE',
        help='the same, narrowed so that each layer loses alike',
    )
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
    from ..plain.inspection import look

    subject = _of_model(args) if args.model else _of_config(args)
    found = look(subject.supernet, subject.target, subject.choices)
    for how in ('uniform', 'balanced'):
        if path := getattr(args, how):
            _write(how, subject, path)
    found = replace(found, warnings=subject.notices)
    print(json.dumps(found.to_dict()) if args.json else found)


def _write(how: str, subject: _Subject, path: str) -> None:
    from ..cost import parse_budgets
    from ..errors import ConfigError
    from ..plain.uniform import balanced_subnet, uniform_subnet

    supernet, target = subject.supernet, subject.target
    if target is None or isinstance(target, (list, tuple)):
        given = 'no target' if target is None else f'{len(target)} targets'
        raise ConfigError(
            f'--{how} {path} is for one target, and there is {given}: add '
            '--target, such as --target 50%'
        )
    full = supernet.cost.exact(supernet.full)
    (budget,) = parse_budgets(target, full)
    steps = subject.steps or subject.choices
    made = dict(uniform=uniform_subnet, balanced=balanced_subnet)[how]
    made(supernet, budget, steps).save(path)


def _of_model(args: argparse.Namespace) -> _Subject:
    import torch

    from ..plain.inspection import trace

    shape = args.input_shape or DEFAULT_SHAPE
    supernet, choices = trace(torchvision_model(args.model), torch.rand(1, *shape))
    return _Subject(supernet, args.target, choices)


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


def _of_config(args: argparse.Namespace) -> _Subject:
    from ..deploy.models import full_model, read_model_config
    from ..errors import TargetError
    from ..preflight.config import load_config
    from ..preflight.searches import search_class
    from ..preflight.sizes import config_notices
    from ..registry import MODELS
    from ..supernet import Supernet

    config = read_model_config(args.config, args.cfg_options)
    if args.input_shape:
        config['input_shape'] = args.input_shape
    target = args.target or config.get('target')
    choices = steps = None
    if search_class(config) is None:
        shape = args.input_shape or DEFAULT_SHAPE
        supernet = Supernet(full_model(args.config, args.cfg_options), shape)
    else:
        config['target'] = target
        try:
            mutator = MODELS.build(config).mutator
        except TargetError:  # an answer here: build it with one that any meets
            mutator = MODELS.build(dict(config, target='99.9%')).mutator
        supernet = mutator.supernet
        choices = [unit.choices for unit in mutator.units]
        # DMCP rounds to finer ones than its chains have.
        steps = [getattr(unit, 'steps', unit.choices) for unit in mutator.units]
    cfg = load_config(args.config, args.cfg_options)
    notices = tuple(config_notices(cfg, supernet.input_shape))
    return _Subject(supernet, target, choices, steps, notices)
