"""Gates of a training that something ended before they were fixed."""

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdmcp.registry import HOOKS
from mmdmcp.subnet import Subnet


@HOOKS.register_module()
class StopGates(Hook):
    """Ends the loop as MMEngine's EarlyStoppingHook does."""

    def after_train_epoch(self, runner):
        runner.train_loop.stop_training = True


@pytest.mark.parametrize('freeze', [1, 2])
def test_they_are_fixed_at_the_target(repo_root, tmp_path, freeze):
    """A file of 0.7 % of the FLOPs was written for a target of 50 %."""
    cfg = Config.fromfile(repo_root / 'configs/pruning/gate/gate_resnet14_digits.py')
    cfg.work_dir, cfg.load_from = str(tmp_path), None
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': 3,
            'train_dataloader.batch_size': 64,
            'train_dataloader.dataset.indices': 128,
            'val_dataloader.dataset.indices': 64,
            'model.ramp': 1,
            'model.freeze': freeze,
            'default_hooks.logger.interval': 1,
        }
    )
    cfg.custom_hooks.append(dict(type='mmdmcp.StopGates'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2 < runner.max_iters
    subnet = Subnet.load(tmp_path / 'GATE_SUBNET_DIGITS.yaml')
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'the search was ended at iteration 2 of 6' in log
    assert ('the gates were not fixed yet' in log) == (freeze == 2)
    assert runner.model.mutator.frozen
