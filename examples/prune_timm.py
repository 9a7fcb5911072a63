#!/usr/bin/env python
"""Prune any model of timm, and build it again from two files.

    python examples/prune_timm.py --model mobilenetv3_small_050 --target 60%

Trains it on scikit-learn's digits, prunes, tunes. --pretrained begins with
timm's weights for ImageNet, which are downloaded. A few minutes on a CPU.
Needs timm: pip install timm.
"""

import argparse
from pathlib import Path

import timm
import torch
from prune_torchvision import accuracy, digits, fit

import mmdmcp


def main() -> None:
    """Run it."""
    args = parse_args()
    torch.manual_seed(args.seed)
    train_set, test_set = digits(args.images)
    model = timm.create_model(args.model, pretrained=args.pretrained, num_classes=10)
    fit(model, train_set, args.epochs, lr=args.lr)

    x = train_set[0][:1]
    print(mmdmcp.inspect(model, x, target=args.target))
    small = mmdmcp.prune(model, args.target, x)
    print(small)
    before, pruned = accuracy(model, test_set), accuracy(small.model, test_set)
    fit(small.model, train_set, args.epochs, lr=args.lr / 2)
    after = accuracy(small.model, test_set)
    print(f'top-1: full {before:.2f}, pruned {pruned:.2f}, tuned {after:.2f}')

    stem = Path(args.out) / args.model
    stem.parent.mkdir(parents=True, exist_ok=True)
    small.subnet.save(f'{stem}.yaml')
    torch.save(small.model.state_dict(), f'{stem}.pth')
    again = timm.create_model(args.model, num_classes=10)
    mmdmcp.apply(again, f'{stem}.yaml')
    again.load_state_dict(torch.load(f'{stem}.pth', weights_only=True))
    assert accuracy(again, test_set) == after
    print(f'wrote {stem}.yaml and .pth: {mmdmcp.cost(again, x)}')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--model', default='resnet10t', help='name of a timm model')
    parser.add_argument('--pretrained', action='store_true')
    parser.add_argument('--target', default='50%')
    parser.add_argument('--epochs', type=int, default=8, help='of each training')
    parser.add_argument('--lr', type=float, default=0.05)
    parser.add_argument('--images', type=int, help='fewer than all to train with')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', default='work_dirs/prune_timm')
    return parser.parse_args()


if __name__ == '__main__':
    main()
