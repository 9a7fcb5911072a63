#!/usr/bin/env python
"""Prune a ResNet-18 of torchvision in plain PyTorch, from start to file.

Trains it on scikit-learn's digits, removes half of its FLOPs, tunes what is
left, and builds the small network again from its two files. A few minutes on
a CPU. With a network that is trained already only the middle is needed.
"""

import argparse
import time
from pathlib import Path

import torch
import torchvision
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import mmdmcp

TEST_IMAGES = 359


def main() -> None:
    """Run it."""
    args = parse_args()
    torch.manual_seed(args.seed)
    train_set, test_set = digits(args.images)
    model = torchvision.models.resnet18(num_classes=10)
    fit(model, train_set, args.epochs, lr=0.05)

    x = train_set[0][:1]  # what the model is called with
    print(mmdmcp.inspect(model, x, target='50%'))
    small = mmdmcp.prune(model, '50%', x)
    print(small)
    before, pruned = accuracy(model, test_set), accuracy(small.model, test_set)
    fit(small.model, train_set, args.epochs, lr=0.02)
    after = accuracy(small.model, test_set)
    print(f'top-1: full {before:.2f}, pruned {pruned:.2f}, tuned {after:.2f}')

    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    small.subnet.save(folder / 'resnet18.yaml')
    torch.save(small.model.state_dict(), folder / 'resnet18.pth')

    # Elsewhere, with torch, PyYAML and the two files:
    again = torchvision.models.resnet18(num_classes=10)
    mmdmcp.apply(again, folder / 'resnet18.yaml')
    again.load_state_dict(torch.load(folder / 'resnet18.pth', weights_only=True))
    assert accuracy(again, test_set) == after
    print(f'wrote {folder}/resnet18.yaml and .pth: {mmdmcp.cost(again, x)}')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--epochs', type=int, default=8, help='of each training')
    parser.add_argument('--images', type=int, help='fewer than all to train with')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', default='work_dirs/prune_torchvision')
    return parser.parse_args()


def digits(images: int | None):
    """Training and test images ``[N, 3, 32, 32]`` with their labels."""
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    x = F.interpolate(x, scale_factor=4).repeat(1, 3, 1, 1)
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:][:images]
    return (x[train], y[train]), (x[test], y[test])


def fit(model: nn.Module, data, epochs: int, lr: float) -> None:
    """Train with SGD, the rate falling to zero as a cosine."""
    x, y = data
    optimizer = torch.optim.SGD(
        model.parameters(), lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    batches = -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    start = time.time()
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).chunk(batches):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    print(f'{epochs} epochs in {time.time() - start:.0f} s, loss {loss.item():.3f}')


@torch.no_grad()
def accuracy(model: nn.Module, data) -> float:
    """Top-1 in percent."""
    x, y = data
    model.eval()
    return 100 * (model(x).argmax(1) == y).float().mean().item()


if __name__ == '__main__':
    main()
