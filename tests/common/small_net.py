"""A small network, a batch and optimisers for the tests of both methods."""

import torch


def classifier(depth: int = 8, base_channels: int = 8, **kwargs) -> dict:
    """Config of a CIFAR ResNet for 10 classes of 8x8 images."""
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='mmdmcp.ResNetCifar',
            depth=depth,
            in_channels=1,
            base_channels=base_channels,
            **kwargs,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=4 * base_channels),
    )


def batch(size: int = 8, seed: int = 0) -> dict:
    """A batch as a data loader gives it."""
    from mmpretrain.structures import DataSample

    generator = torch.Generator().manual_seed(seed)
    return dict(
        inputs=list(torch.randn(size, 1, 8, 8, generator=generator).unbind()),
        data_samples=[DataSample().set_gt_label(i % 10) for i in range(size)],
    )


def optimisers(
    algorithm,
    lr: float = 0.1,
    mutator_lr: float = 0.5,
    momentum: float = 0.9,
    **wrapper,
):
    """One optimiser for the weights, one for the chains or gates."""
    from mmdmcp.methods import SearchOptimWrapperConstructor

    def config(rate):
        return dict(
            dict(
                type='OptimWrapper',
                optimizer=dict(
                    type='SGD', lr=rate, momentum=momentum, nesterov=momentum > 0
                ),
            ),
            **wrapper,
        )

    return SearchOptimWrapperConstructor(
        dict(architecture=config(lr), mutator=config(mutator_lr))
    )(algorithm)


def plain_optimisers(algorithm, lr: float = 0.1, mutator_lr: float = 0.1, **wrapper):
    """Without momentum, so that a step shows its gradient."""
    return optimisers(algorithm, lr, mutator_lr, momentum=0.0, **wrapper)
