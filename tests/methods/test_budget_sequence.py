"""Methods that prune on: one budget is reached after the other, in one run."""

import shutil

import pytest
import torch
from common.small_net import classifier
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdmcp.errors import TargetError
from mmdmcp.registry import MODELS
from mmdmcp.report.record import SearchRecord
from mmdmcp.subnet import Subnet, apply

TAGS = ['80PERCENT', '60PERCENT', '40PERCENT']
CONFIGS = dict(
    gate='gate/gate_resnet14_digits.py',
    importance='importance/importance_resnet14_digits.py',
)
EPOCHS, ITERATIONS = 9, 2  # of each epoch: six iterations for each budget


def runner_of(method, folder, repo_root, **options):
    cfg = Config.fromfile(repo_root / 'configs' / 'pruning' / CONFIGS[method])
    cfg.work_dir, cfg.load_from = str(folder), None
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.indices = 32 * ITERATIONS
    cfg.train_dataloader.batch_size = 32
    cfg.merge_from_dict(
        {
            'model.architecture': classifier(),
            'model.target': ['80%', '60%', '40%'],
            'model.tolerance': 0.03,
            **({'model.steps': 2} if method == 'importance' else {}),
            'train_cfg.max_epochs': EPOCHS,
            'train_cfg.val_interval': EPOCHS,
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            **options,
        }
    )
    return Runner.from_cfg(cfg)


@pytest.fixture(scope='module', params=list(CONFIGS))
def run(request, tmp_path_factory, repo_root):
    """The method, the work dir of its run, and its model."""
    folder = tmp_path_factory.mktemp(request.param)
    runner = runner_of(request.param, folder, repo_root)
    runner.train()
    return request.param, folder, runner.model


def stems(method):
    return [f'{method.upper()}_SUBNET_DIGITS_{tag}' for tag in TAGS]


def test_each_budget_is_written_with_its_weights_when_it_is_reached(run):
    method, folder, model = run
    full, before = model.cost_of('max')['macs'], None
    for stem, share in zip(stems(method), (0.8, 0.6, 0.4)):
        subnet = Subnet.load(folder / f'{stem}.yaml')
        assert subnet.cost['macs'] == pytest.approx(share * full, rel=0.03)
        net = apply(model.mutator.supernet.plain_copy(), subnet)
        weights = torch.load(folder / f'{stem}.pth', weights_only=True)
        net.load_state_dict(weights['state_dict'])
        kept = {
            name: set(unit.kept or range(unit.channels))
            for name, unit in subnet.units.items()
        }
        # Pruning goes on from there: no channel comes back.
        assert before is None or all(kept[name] <= before[name] for name in kept)
        before = kept
    # The last network is the one of the model at the end, trained further than
    # the first one's.
    log = next(folder.glob('*/*.log')).read_text()
    assert log.index('80PERCENT is reached') < log.index('60PERCENT is reached')
    assert 'One run, several budgets' in log


def test_each_stage_has_its_notes(run):
    method, folder, _ = run
    record = SearchRecord.load(folder)
    assert [budget.name for budget in record.budgets] == stems(method)
    ends = [budget.history[-1].iteration for budget in record.budgets]
    assert ends == [6, 12, 18]
    begins = [budget.history[0].iteration for budget in record.budgets]
    assert begins == [0, 6, 12]
    assert all(budget.chosen == 'small' for budget in record.budgets)


@pytest.mark.parametrize('epoch', [3, 4])
def test_a_run_goes_on_exactly(run, epoch, tmp_path, repo_root):
    """From where a budget was just reached, and from between two."""
    method, folder, _ = run
    again = shutil.copytree(folder, tmp_path / 'again')
    for stem in stems(method)[1:]:
        (again / f'{stem}.yaml').unlink()
    last = str(again / f'epoch_{epoch}.pth')
    runner_of(method, again, repo_root, load_from=last, resume=True).train()
    for stem in stems(method):
        texts = [(f / f'{stem}.yaml').read_text() for f in (folder, again)]
        assert texts[0] == texts[1]
        states = [
            torch.load(f / f'{stem}.pth', weights_only=True)['state_dict']
            for f in (folder, again)
        ]
        for key, value in states[0].items():
            assert torch.equal(value, states[1][key]), key
    records = [SearchRecord.load(f) for f in (folder, again)]
    assert records[0].budgets == records[1].budgets


@pytest.mark.parametrize(
    'target, said',
    [
        (['50%', '70%'], 'Order them from the largest to the smallest'),
        (['70%', dict(params='50%')], 'all must count the same'),
    ],
)
@pytest.mark.parametrize('kind', ['TrainableGate', 'ImportancePruning'])
def test_a_sequence_goes_down(kind, target, said):
    init_default_scope('mmpretrain')
    with pytest.raises(TargetError, match=said):
        MODELS.build(
            dict(
                type=f'mmdmcp.{kind}',
                architecture=classifier(),
                target=target,
                input_shape=(1, 8, 8),
            )
        )
