"""``mmdmcp publish`` and ``tools/publish.py``."""

import argparse
import os

from . import report_errors
from .options import require_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Write the weights of a checkpoint of training, and '
        'nothing else: a plain state dict that torch loads with '
        'weights_only=True on a machine without OpenMMLab.'
    )
    parser.add_argument('checkpoint', help='checkpoint of a network')
    parser.add_argument('out', help='file to write, .pth')
    parser.add_argument(
        '--config',
        help="the checkpoint is the full network's: write what a subnet keeps of "
        'it. The config of the full network, its search, or the pruned one',
    )
    parser.add_argument(
        '--subnet', help='with --config: the subnet file, unless the config names it'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(
        lambda: publish(args.checkpoint, args.out, args.config, args.subnet)
    )


def publish(
    checkpoint: str, out: str, config: str | None = None, subnet: str | None = None
) -> None:
    """Write the weights of a checkpoint, and print what was left out.

    Args:
        checkpoint: A network's, not a search's.
        out: File to write: tensors by name.
        config: If given, the checkpoint is the full network's, and what the
            subnet keeps of it is written.
        subnet: The subnet file, unless the config names one.

    Raises:
        CheckpointError: If the checkpoint can't be read, holds no weights
            or is a search's, or the file can't be written.
    """
    require_checkpoint(checkpoint, 'checkpoint')
    import torch

    from ..checkpoints import read_checkpoint, weights_of, write_weights
    from ..errors import CheckpointError, ConfigError

    try:
        content = read_checkpoint(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(
            f"{checkpoint} can't be loaded: {error}. Name a checkpoint that "
            'training wrote'
        ) from None
    weights = weights_of(content) if isinstance(content, dict) else {}
    weights = {k: v for k, v in weights.items() if torch.is_tensor(v)}
    if not weights:
        raise CheckpointError(
            f'{checkpoint} holds no weights. Name a checkpoint that training wrote'
        )
    if any(name.startswith('mutator.') for name in weights):
        raise CheckpointError(
            f"{checkpoint} is a search's. Publish the retrained network, "
            'or the .pth that the search wrote beside its subnet file'
        )
    if config is not None:
        weights = _slice(weights, checkpoint, config, subnet)
    elif subnet is not None:
        raise ConfigError(
            f'--subnet {subnet}: add --config, the config of the full network '
            'whose weights are cut'
        )
    write_weights(out, weights)
    dropped = sorted(set(content) - {'state_dict'}) if 'state_dict' in content else ()
    sizes = [os.path.getsize(path) / 2**20 for path in (out, checkpoint)]
    print(
        f'{out}: {len(weights)} tensors, {sizes[0]:.1f} of {sizes[1]:.1f} '
        f'MiB; left out: {", ".join(dropped) or "nothing"}'
    )


def _slice(weights: dict, checkpoint: str, config: str, subnet: str | None) -> dict:
    """What a subnet keeps of a full network's weights."""
    from ..checkpoints import require_fit
    from ..deploy import load_pair
    from ..errors import CheckpointError
    from ..subnet import apply

    pair = load_pair(config, subnet)
    full = pair.build_full()
    try:
        require_fit(full, weights, 'Give a checkpoint of the full network')
    except CheckpointError as error:
        raise CheckpointError(f'{checkpoint} {error}') from None
    full.load_state_dict(weights, strict=False)
    return apply(full, pair.subnet, pair.pruned.get('prefix')).state_dict()
