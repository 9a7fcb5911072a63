"""Configs for GPUs on a node that has none."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmdmcp.engine.amp import CPUAmpOptimWrapper
from mmdmcp.errors import ConfigError
from mmdmcp.preflight.device import enable_amp, fit_to_cpu

SGD = dict(type='SGD', lr=0.1)


def test_amp_for_one_optimiser_wrapper():
    cfg = Config(dict(optim_wrapper=dict(optimizer=SGD)))
    enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'


def test_amp_for_both_wrappers_of_a_search():
    cfg = Config(
        dict(
            optim_wrapper=dict(
                constructor='mmdmcp.SearchOptimWrapperConstructor',
                architecture=dict(type='OptimWrapper', optimizer=SGD),
                mutator=dict(optimizer=SGD),
            )
        )
    )
    enable_amp(cfg)
    wrapper = cfg.optim_wrapper
    assert wrapper.architecture.type == wrapper.mutator.type == 'AmpOptimWrapper'
    assert 'type' not in wrapper and 'loss_scale' not in wrapper


def test_amp_does_not_replace_what_it_does_not_know():
    cfg = Config(dict(optim_wrapper=dict(type='ApexOptimWrapper', optimizer=SGD)))
    with pytest.raises(ConfigError, match='ApexOptimWrapper'):
        enable_amp(cfg)


def test_amp_becomes_bfloat16_on_cpu():
    cfg = Config(
        dict(
            optim_wrapper=dict(
                type='AmpOptimWrapper',
                dtype='float16',
                loss_scale=512.0,
                clip_grad=dict(max_norm=1.0),
                optimizer=SGD,
            )
        )
    )
    (notice,) = fit_to_cpu(cfg)
    assert 'bfloat16' in notice
    wrapper = build_optim_wrapper(nn.Linear(4, 4), cfg.optim_wrapper)
    assert isinstance(wrapper, CPUAmpOptimWrapper)
    assert wrapper.clip_grad_kwargs == dict(max_norm=1.0)


def test_bfloat16_wrapper_computes_in_bfloat16_and_steps_in_float32():
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    wrapper = CPUAmpOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with wrapper.optim_context(model):
        out = model(torch.ones(3, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    # d(sum)/d(weight) is 3 everywhere: three samples of ones.
    torch.testing.assert_close(model.weight, before - 0.3)
    assert model.weight.dtype == torch.float32


def test_state_of_a_run_with_a_gradient_scaler_can_be_loaded():
    model = nn.Linear(4, 2)
    wrapper = CPUAmpOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    state = wrapper.state_dict()
    state['param_groups'][0]['lr'] = 0.5
    wrapper.load_state_dict({**state, 'loss_scaler': dict(scale=1024.0)})
    assert wrapper.get_lr()['lr'] == [0.5]


def test_nothing_is_replaced_without_need():
    cfg = Config(
        dict(
            launcher='none',
            model=dict(norm_cfg=dict(type='SyncBN')),
            optim_wrapper=dict(type='OptimWrapper', optimizer=SGD),
        )
    )
    before = cfg.to_dict()
    assert fit_to_cpu(cfg) == []  # the Runner reverts SyncBN of one process
    assert cfg.to_dict() == before


def test_sync_bn_becomes_bn_on_cpus():
    cfg = Config(
        dict(
            launcher='pytorch',
            sync_bn='torch',
            model=dict(
                norm_cfg=dict(type='SyncBN', requires_grad=True),
                heads=[dict(norm_cfg=dict(type='mmcv.SyncBN'))],
                other=dict(type='GN'),
            ),
        )
    )
    (notice,) = fit_to_cpu(cfg)
    assert 'SyncBN' in notice and 'sync_bn' not in cfg
    assert cfg.model.norm_cfg == dict(type='BN', requires_grad=True)
    assert cfg.model.heads[0].norm_cfg.type == 'BN'
    assert cfg.model.other.type == 'GN'


def test_ddp_gets_no_device_ids_on_cpus():
    cfg = Config(dict(launcher='slurm', find_unused_parameters=True))
    fit_to_cpu(cfg)
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        device_ids=None,
    )


def test_wrappers_that_are_not_ddp_are_left_alone():
    cfg = Config(
        dict(launcher='slurm', model_wrapper_cfg=dict(type='mmdmcp.SearchDistributed'))
    )
    fit_to_cpu(cfg)
    assert cfg.model_wrapper_cfg == dict(type='mmdmcp.SearchDistributed')
