"""``mmdmcp sensitivity``: which units a trained network can't do without."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from . import report_errors
from .options import (
    DEFAULT_SHAPE,
    add_cfg_options,
    add_input_shape,
    add_model_choice,
    require_checkpoint,
)

if TYPE_CHECKING:
    from ..plain.narrowing import Sensitivity


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Narrow one unit of a trained network after the other, without '
        'training, and show what the network loses: of the first metric on the '
        "config's validation images, or of its agreement with itself on photos."
    )
    add_model_choice(parser, 'config of the full model, or a search')
    parser.add_argument(
        '--weights',
        required=True,
        help='checkpoint of the full model; with --model also DEFAULT, '
        "torchvision's own",
    )
    parser.add_argument(
        '--photos', metavar='FOLDER', help='with --model: images, labels are not needed'
    )
    parser.add_argument(
        '--images', type=int, default=32, help='how many images to use; 32 by default'
    )
    parser.add_argument(
        '--ratios',
        type=float,
        nargs='+',
        default=[0.75, 0.5, 0.25],
        help='ratios of its channels that a unit keeps; 0.75 0.5 0.25 by default',
    )
    parser.add_argument(
        '--criterion',
        default='l2',
        choices=['l1', 'l2', 'bn_scale', 'size'],
        help='which channels are kept; l2 by default',
    )
    add_input_shape(parser, "that of the search's config, or 3 224 224")
    parser.add_argument(
        '-o', '--out', metavar='PICTURE', help='also draw it: .png, .pdf or .svg'
    )
    parser.add_argument('--json', action='store_true', help='print JSON, no table')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.model and args.cfg_options:
        parser.error('--cfg-options belong to a config')
    if bool(args.model) != bool(args.photos):
        parser.error('--model and --photos go together; a config has data of its own')
    if args.images < 1:
        parser.error('--images must be above 0')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _sensitivity(args))


def _sensitivity(args: argparse.Namespace) -> None:
    if args.weights != 'DEFAULT' or args.config:
        require_checkpoint(args.weights, '--weights')
    from ..plain.narrowing import check_ratios

    check_ratios(args.ratios)
    found = _of_model(args) if args.model else _of_config(args)
    if args.out:
        found.save_plot(args.out)
    print(json.dumps(found.to_dict()) if args.json else found)


def _of_model(args: argparse.Namespace) -> 'Sensitivity':
    """By the divergence of its predictions from the full network's."""
    import torch

    from ..deploy.models import load_weights
    from ..plain.narrowing import sensitivity
    from ..plain.photos import agreement, read_photos
    from .inspect import torchvision_model

    shape = tuple(args.input_shape or DEFAULT_SHAPE)
    photos = read_photos(args.photos, args.images, shape)
    own = args.weights == 'DEFAULT'
    model = torchvision_model(args.model, 'DEFAULT' if own else None).eval()
    if not own:
        load_weights(model, args.weights)
    return sensitivity(
        model,
        torch.rand(1, *shape),
        agreement(model, photos),
        args.ratios,
        args.criterion,
    )


def _of_config(args: argparse.Namespace) -> 'Sensitivity':
    from ..deploy.models import full_model, load_weights, read_model_config
    from ..deploy.validation import Validation
    from ..errors import ConfigError
    from ..plain.narrowing import measure
    from ..supernet import Supernet

    validation = Validation(args.config, args.cfg_options)
    validation.limit(args.images)
    model = full_model(args.config, args.cfg_options).eval()
    load_weights(model, args.weights)
    config = read_model_config(args.config, args.cfg_options)
    shape = args.input_shape or config.get('input_shape') or DEFAULT_SHAPE
    supernet = Supernet(model, tuple(shape), any_channels=True)

    def score(net: Any) -> float:
        metrics = validation.metrics(net)
        if not metrics:
            raise ConfigError(f'{args.config}: val_evaluator gives no metric')
        return next(iter(metrics.values()))

    return measure(supernet, score, args.ratios, args.criterion)
