"""``mmdmcp export`` and ``tools/export_onnx.py``."""

import argparse
import os

from ..errors import ConfigError
from . import report_errors
from .options import add_pair_options, require_checkpoint, require_pair


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Write a pruned model as ONNX, with a dynamic batch size, '
        'and check it in onnxruntime. The exit code is not 0 if it computes '
        'something other than PyTorch; then no file is written.'
    )
    add_pair_options(parser)
    parser.add_argument(
        'checkpoint', help='weights of the pruned model; "none" for random ones'
    )
    parser.add_argument('out', help='file to write, .onnx')
    parser.add_argument(
        '--torch-export', metavar='FILE.pt2', help='also write the torch.export program'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        help='largest difference allowed, relative to the largest value of '
        'an output (absolute if that is below 1); 1e-4 by default',
    )
    parser.add_argument(
        '--decode',
        action='store_true',
        help="one-stage detectors: boxes and scores in place of the head's maps",
    )
    parser.add_argument(
        '--nms',
        action='store_true',
        help="with --decode: also choose among the boxes, by ONNX's "
        'NonMaxSuppression and the thresholds of the config',
    )
    parser.add_argument(
        '--int8',
        metavar='FILE.onnx',
        help='also write the network in int8 (QDQ), calibrated with validation images',
    )
    parser.add_argument(
        '--calibration-images',
        type=int,
        default=256,
        help='validation images that --int8 calibrates with; 256 by default',
    )
    parser.add_argument(
        '--calibration',
        choices=('minmax', 'entropy', 'percentile'),
        default='minmax',
        help='how --int8 chooses the range of activations; minmax by default',
    )
    parser.add_argument(
        '--evaluate',
        action='store_true',
        help='print the validation metrics of PyTorch and of each file written',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _export(args))


def _export(args: argparse.Namespace) -> None:
    require_pair(args)
    if args.nms and not args.decode:
        raise ConfigError('--nms chooses among decoded boxes: add --decode')
    if args.checkpoint != 'none':
        require_checkpoint(args.checkpoint, 'checkpoint')
    from ..deploy import load_pair
    from ..deploy.models import is_two_stage
    from ..deploy.onnx import export_onnx

    pair = load_pair(args.config, args.subnet, args.cfg_options)
    checkpoint = None if args.checkpoint == 'none' else args.checkpoint
    model = pair.build_pruned(checkpoint)
    shape = args.input_shape or pair.subnet.cost['input_shape']
    found = export_onnx(
        model,
        args.out,
        shape,
        args.tolerance,
        args.torch_export,
        args.decode,
        args.nms,
    )
    size = os.path.getsize(args.out) / 2**20
    print(
        f'{args.out}: {size:.1f} MiB, input image '
        f'[batch, {", ".join(map(str, shape))}]{_normalisation(model)}'
    )
    for row in found:
        print(
            f'  {row.output}: largest difference from PyTorch '
            f'{row.largest:.2e}, values up to {row.scale:.2e}'
        )
    if args.nms:
        print('  selected: image, class and row of each box that is kept')
    if is_two_stage(model):
        print(
            f'  {type(model).__name__} has two stages: the file is its backbone, '
            'neck and RPN; the heads that run on boxes are not in it'
        )
    if args.torch_export:
        print(f'{args.torch_export}: torch.export program')
    if args.int8 or args.evaluate:
        _validate(args, model, shape)


def _validate(args: argparse.Namespace, model, shape) -> None:
    """Quantise, and compare what was written on the validation data."""
    from ..deploy.validation import Validation

    validation = Validation(args.config, args.cfg_options)
    files = {'ONNX': args.out}
    if args.int8:
        from ..deploy import int8

        images = int8.calibration_images(
            model, validation.loader, args.calibration_images, shape
        )
        int8.quantize(args.out, args.int8, images, args.calibration)
        files['int8'] = args.int8
        size = os.path.getsize(args.int8) / 2**20
        apart = int8.largest_difference(args.out, args.int8, images[:1])
        print(
            f'{args.int8}: {size:.1f} MiB, calibrated with '
            f'{sum(map(len, images))} images ({args.calibration}); outputs differ '
            f'from float32 by up to {apart:.1%} of the largest value'
        )
    if args.evaluate:
        from ..deploy.predictor import OnnxPredictor

        found = {'PyTorch': validation.metrics(model)}
        for name, path in files.items():
            found[name] = validation.metrics(OnnxPredictor(model, path))
        for name, metrics in found.items():
            values = ', '.join(f'{k} {v:.4g}' for k, v in metrics.items())
            print(f'  {name}: {values}')


def _normalisation(model) -> str:
    """What the graph expects to have been done to the image."""
    data = getattr(model, 'data_preprocessor', None)
    if getattr(data, 'mean', None) is None:
        return ''
    mean, std = (getattr(data, key).flatten().tolist() for key in ('mean', 'std'))
    # One flag in mmpretrain, mmseg and mmdet each.
    flags = ('to_rgb', 'channel_conversion', '_channel_conversion')
    rgb = any(getattr(data, flag, False) for flag in flags)
    order = 'RGB' if rgb else 'as loaded'
    return f', normalised: mean {_list(mean)}, std {_list(std)}, {order}'


def _list(values) -> str:
    return '[' + ', '.join(f'{value:g}' for value in values) + ']'
