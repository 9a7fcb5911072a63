"""Mixed precision, activation checkpointing, replaced norms."""

import pytest
import torch
from common.small_net import batch, classifier, optimisers
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapperDict
from torch import nn


def gradients(algorithm):
    """Gradients of one iteration; accumulation keeps them."""
    algorithm.schedule.set_length(10)
    algorithm.train()
    algorithm.train_step(batch(), optimisers(algorithm, accumulative_counts=9))
    return {
        n: p.grad.clone() for n, p in algorithm.named_parameters() if p.grad is not None
    }


def resnet(with_cp):
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='ResNet_CIFAR',
            depth=18,
            in_channels=1,
            base_channels=8,
            with_cp=with_cp,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
    )


@pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::FutureWarning')
def test_activation_checkpointing_changes_no_gradient(build):
    """Layers run again during backward: at the same widths and scales."""
    plain, checkpointed = (
        gradients(build(architecture=resnet(with_cp), arch_start=0))
        for with_cp in (False, True)
    )
    assert 'mutator.alpha' in plain
    assert plain.keys() == checkpointed.keys()
    for name, value in plain.items():
        torch.testing.assert_close(
            checkpointed[name],
            value,
            rtol=1e-4,
            atol=1e-6,
            msg=lambda m, name=name: f'{name}: {m}',
        )


def test_bfloat16_autocast(build):
    """The gradients are those of float32, to bfloat16's precision."""
    exact = gradients(build(arch_start=0))
    algorithm = build(arch_start=0)
    algorithm.schedule.set_length(10)
    algorithm.train()
    wrappers = optimisers(algorithm, accumulative_counts=9)
    with torch.autocast('cpu', torch.bfloat16):
        algorithm.train_step(batch(), wrappers)
    for name, p in algorithm.named_parameters():
        if name in exact and p.grad is not None:
            assert p.grad.dtype == torch.float32
            # 8 bits of mantissa through 8 layers: the direction holds
            cosine = torch.cosine_similarity(
                p.grad.flatten(), exact[name].flatten(), dim=0
            )
            assert cosine > 0.95, (name, cosine)


def test_the_amp_option_trains_on_cpu(build):
    """What ``--amp`` writes into a search's config runs."""
    from mmengine.config import Config

    from mmdmcp.methods import SearchOptimWrapperConstructor
    from mmdmcp.preflight.device import enable_amp, fit_to_cpu

    cfg = Config(
        dict(
            optim_wrapper=dict(
                constructor='mmdmcp.SearchOptimWrapperConstructor',
                **{
                    part: dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
                    for part in ('architecture', 'mutator')
                },
            )
        )
    )
    enable_amp(cfg)
    fit_to_cpu(cfg)
    algorithm = build(arch_start=0)
    algorithm.schedule.set_length(3)
    parts = {k: dict(v) for k, v in cfg.optim_wrapper.items() if k != 'constructor'}
    wrappers = SearchOptimWrapperConstructor(parts)(algorithm)
    assert isinstance(wrappers, OptimWrapperDict)
    algorithm.train()
    before = algorithm.mutator.alpha.clone()
    seen = []
    algorithm.architecture.head.fc.register_forward_hook(
        lambda m, i, o: seen.append(o.dtype)
    )
    for seed in range(3):
        log = algorithm.train_step(batch(seed=seed), wrappers)
    assert torch.bfloat16 in seen
    assert all(torch.isfinite(v).all() for v in log.values())
    assert not torch.equal(before, algorithm.mutator.alpha)


def test_norms_may_be_replaced_after_building(build):
    """What Runner does to SyncBN, one way and the other."""
    algorithm = build()
    algorithm.eval()
    algorithm.set_widths('min')
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        expected = algorithm(x)
        algorithm.architecture = nn.SyncBatchNorm.convert_sync_batchnorm(
            algorithm.architecture
        )
        algorithm.architecture = revert_sync_batchnorm(algorithm.architecture)
        algorithm.eval()
        algorithm.set_widths('min')
        torch.testing.assert_close(algorithm(x), expected)
        net = algorithm.cut('min').eval()
        torch.testing.assert_close(net(x), expected)


def test_sync_bn_in_the_config(build):
    """A segmentor's config says SyncBN; on one process it is reverted."""
    algorithm = build(architecture=classifier(norm_cfg=dict(type='SyncBN')))
    algorithm = revert_sync_batchnorm(algorithm)
    algorithm.schedule.set_length(2)
    algorithm.train()
    log = algorithm.train_step(batch(), optimisers(algorithm))
    assert torch.isfinite(log['loss'])
