"""Searches of ResNet-20 on CIFAR-10 at a quarter of its pixels: a hundred steps
of the chains at the shipped learning rates."""

import pytest
import torch

from mmdmcp.apis import train

CONFIG = 'configs/pruning/dmcp/dmcp_resnet20_supernet_2xb64_cifar10.py'


@pytest.fixture
def search(cifar10, repo_root, tmp_path):
    """A function that searches for 105 iterations, the chains training from
    the first on; expected FLOPs before and after each."""

    def run(batch=16, **options):
        expected = []

        def note(algorithm, *_):
            expected.append(algorithm.expected_cost().item())

        settings = {
            'train_dataloader.dataset.data_root': str(cifar10),
            'train_dataloader.dataset.part': 'val',
            'train_dataloader.dataset.every': 480 // batch,
            'train_dataloader.batch_size': batch,
            'train_dataloader.dataset.pipeline.0.crop_size': 16,
            'model.input_shape': (3, 16, 16),
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_cfg.max_epochs': 1,
            'randomness.seed': 0,
            'model.arch_start': 0,
            **options,
        }
        from mmdmcp.dmcp import DMCP

        step = DMCP.train_step

        def noted(algorithm, data, optim_wrapper):
            note(algorithm)
            return step(algorithm, data, optim_wrapper)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DMCP, 'train_step', noted)
            runner = train(
                str(repo_root / CONFIG),
                work_dir=str(tmp_path),
                validate=False,
                cfg_options=settings,
            )
        note(runner.model)
        assert len(expected) == 106
        assert torch.isfinite(runner.model.mutator.alpha).all()
        return expected, runner.model.budget.values['macs'], tmp_path

    return run


def test_a_short_search_ends_at_its_target(search):
    from mmdmcp.subnet import Subnet

    expected, macs, work_dir = search(batch=32, **{'model.target': '30%'})
    # The dead zone ends at 5 % below: single steps touch that, on average
    # the last ones lie inside.
    assert sum(expected[-10:]) / 10 == pytest.approx(macs, rel=0.05)
    subnet = Subnet.load(work_dir / 'DMCP_SUBNET_RESNET20_CIFAR10.yaml')
    assert subnet.cost['macs'] == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize('parametrisation,lr', [('sigmoid', 0.5), ('exp', 0.05)])
def test_the_release_start_moves_towards_the_target(search, parametrisation, lr):
    """From below with sigmoid, from above with exp."""
    expected, macs, _ = search(
        **{
            'model.mutator.init': 'zero',
            'model.on_budget': False,
            'model.mutator.parametrisation': parametrisation,
            'optim_wrapper.mutator.optimizer.lr': lr,
        }
    )
    if parametrisation == 'sigmoid':
        # The first steps follow the task alone, up or down.
        assert expected[0] < expected[-1] < macs
        assert min(expected[-10:]) > max(expected[30:60])
    else:
        assert expected[0] == pytest.approx(40.8e6 / 4, rel=0.01)
        assert expected[0] > expected[5] > expected[10]
        # It then swings around the target: near it the loss is steep, and
        # how it swings depends on the machine's rounding.
        later = expected[len(expected) // 2 :]
        assert sum(later) / len(later) == pytest.approx(macs, rel=0.2)
