#!/usr/bin/env python
"""Search the widths of a torchvision ResNet-18 in a training loop of one's own.

On scikit-learn's digits, to half the FLOPs: with DMCP, which trains the
network at many widths and ends with the best; or, with --method gates, from
a trained network. A few minutes on a CPU. The lines that make a training a
search are marked with an arrow.
"""

import argparse
from pathlib import Path

import torch
import torchvision
from prune_torchvision import accuracy, digits, fit
from torch.nn import functional as F

import mmdmcp

BATCH = 64


def main() -> None:
    """Run it."""
    args = parse_args()
    torch.manual_seed(args.seed)
    (x, y), test_set = digits(args.images)
    held_out = len(x) // 5  # chooses the network; never trained with
    val_set, train_set = (x[:held_out], y[:held_out]), (x[held_out:], y[held_out:])
    model = torchvision.models.resnet18(num_classes=10)
    if args.method == 'gates':  # begin with a trained network
        fit(model, train_set, args.epochs, lr=0.05)
        print(f'top-1 of the full network: {accuracy(model, test_set):.2f}')

    small = search(model, train_set, val_set, args)
    print(small)
    print(f'top-1 of the small network: {accuracy(small.model, test_set):.2f}')
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    small.subnet.save(folder / 'resnet18.yaml')
    torch.save(small.model.state_dict(), folder / 'resnet18.pth')
    print(f'wrote {folder}/resnet18.yaml and .pth')


def search(model, train_set, val_set, args: argparse.Namespace):
    """An ordinary training loop, and what makes it a search."""
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*train_set), BATCH, shuffle=True, drop_last=True
    )

    def loss_fn(model, batch):
        images, labels = batch
        return F.cross_entropy(model(images), labels)

    method = dict(dmcp=mmdmcp.search.DMCP, gates=mmdmcp.search.Gates)[args.method]
    steps = args.epochs * len(loader)
    search = method(  # <--
        model, '50%', train_set[0][:1], steps=steps, loss_fn=loss_fn, seed=args.seed
    )
    weights = torch.optim.SGD(
        search.model.parameters(),  # <-- instead of model.parameters()
        lr=0.05 if args.method == 'dmcp' else 0.02,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
    )
    choice = search.optimizer()  # <-- for the chains, or the gates
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(weights, steps)
    for epoch in range(args.epochs):
        for batch in loader:
            log = search.step(batch, weights, choice)  # <-- instead of backward
            rate.step()
        print(f'epoch {epoch + 1}:', {k: float(f'{v:.4g}') for k, v in log.items()})
    if args.method == 'gates':
        return search.finish()  # <--
    return search.finish(lambda net: accuracy(net, val_set), loader)  # <--


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--method', choices=['dmcp', 'gates'], default='dmcp')
    parser.add_argument('--epochs', type=int, default=8)
    parser.add_argument('--images', type=int, help='fewer than all to train with')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', default='work_dirs/search_torchvision')
    return parser.parse_args()


if __name__ == '__main__':
    main()
