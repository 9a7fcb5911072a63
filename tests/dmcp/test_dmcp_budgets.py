"""Several budgets, one search: shared weights, chains of their own."""

import shutil

import pytest
import torch
from common.small_net import batch, plain_optimisers
from mmengine.config import Config
from mmengine.runner import Runner

from mmdmcp.errors import TargetError
from mmdmcp.report.record import SearchRecord
from mmdmcp.report.search_plots import draw_frontier
from mmdmcp.subnet import Subnet, apply

TARGETS = ['70%', '50%', '30%']
TAGS = ['70PERCENT', '50PERCENT', '30PERCENT']


def chains(algorithm):
    """A copy of the chains of each budget."""
    mutator = algorithm.mutator
    return [mutator.logits.detach().clone() for _ in algorithm.each_budget()]


def moved(before, after):
    return [not torch.equal(*pair) for pair in zip(before, after)]


def test_each_budget_starts_at_its_target(build):
    algorithm = build(target=TARGETS)
    full = algorithm.cost_of('max')['macs']
    used = [
        float(algorithm.expected_cost().detach()) / full
        for _ in algorithm.each_budget()
    ]
    assert used == pytest.approx([0.7, 0.5, 0.3], rel=1e-4)
    widths = [sum(algorithm.set_widths('expected')) for _ in algorithm.each_budget()]
    assert widths == sorted(widths, reverse=True)


def test_one_target_in_a_list_is_a_search_of_one(build):
    names = [list(build(target=t).state_dict()) for t in ('50%', ['50%'])]
    assert names[0] == names[1] and 'mutator.alpha' in names[0]
    assert not any('alpha2' in name for name in names[0])


@pytest.mark.parametrize('accumulate', [1, 2])
def test_a_step_of_the_chains_serves_one_budget_and_the_next_the_next(
    build, accumulate
):
    """And moves them as three steps of a search for it alone would, from here."""
    algorithm = build(target=TARGETS, arch_start=0)
    wrappers = plain_optimisers(algorithm, accumulative_counts=accumulate)
    algorithm.schedule.set_length(6 * accumulate)
    for step in range(6):
        before = chains(algorithm)
        alone = build(target=TARGETS[step % 3], arch_start=0, weights_stop=0)
        alone.schedule.set_length(accumulate)
        alone.mutator.alpha.data.copy_(before[step % 3])
        single = plain_optimisers(alone, mutator_lr=0.3, accumulative_counts=accumulate)
        for part in range(accumulate):
            data = batch(seed=step * accumulate + part)
            algorithm.schedule.weights_stop = 0  # they stay where they are
            log = algorithm.train_step(data, wrappers)
            alone.architecture.load_state_dict(algorithm.architecture.state_dict())
            alone.train_step(data, single)
        after = chains(algorithm)
        assert moved(before, after) == [number == step % 3 for number in range(3)]
        torch.testing.assert_close(after[step % 3], alone.mutator.alpha.detach())
        assert f'arch/{TAGS[step % 3]}/expected_macs' in log


def test_the_sampled_networks_are_drawn_for_one_budget_after_the_other(
    build, monkeypatch
):
    algorithm = build(target=TARGETS, arch_start=0, random_sampling=(0.0, 0.0))
    algorithm.schedule.set_length(3)
    mutator, turns = algorithm.mutator, []
    draw = mutator.chains.draw

    def note(logits, *args):
        turns.append(
            [logits is mutator.alpha, logits is mutator.alpha2].index(True)
            if logits is not mutator.alpha3
            else 2
        )
        return draw(logits, *args)

    monkeypatch.setattr(mutator.chains, 'draw', note)
    wrappers = plain_optimisers(algorithm)
    for seed in range(3):
        algorithm.train_step(batch(seed=seed), wrappers)
    assert turns == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    'target, said',
    [
        ([], 'is empty'),
        (['50%', '70%', '50%'], "'50%'.*the same budget"),
        (['50%', '50.001%'], 'too close to one another.*50PERCENT'),
        (['50%', ['30%']], r"target=\['30%'\] can't be read"),
        (['50%', '1%'], "target of .* can't be reached.*Raise the target to '1"),
        (['50%', None], "target=None can't be read"),
    ],
)
def test_lists_that_cant_be_meant(build, target, said):
    with pytest.raises(TargetError, match=said):
        build(target=target)


# ---- a whole search --------------------------------------------------


def runner_of(folder, repo_root, **options):
    cfg = Config.fromfile(repo_root / 'tests/faults/search_config.py')
    cfg.work_dir = str(folder)
    cfg.merge_from_dict(
        {
            'model.target': TARGETS,
            'model.arch_start': 2,
            'train_cfg.max_epochs': 6,
            'train_cfg.val_interval': 6,
            'train_dataloader.dataset.indices': 64,
            'train_dataloader.batch_size': 64,
            'val_dataloader.dataset.indices': 64,
            'param_scheduler': None,
            'default_hooks.checkpoint.interval': 3,
            'default_hooks.logger.interval': 1,
            **options,
        }
    )
    return Runner.from_cfg(cfg)


@pytest.fixture(scope='module')
def search(tmp_path_factory, repo_root):
    """The work dir of a search for three budgets, and its model."""
    folder = tmp_path_factory.mktemp('budgets')
    runner = runner_of(folder, repo_root)
    runner.train()
    return folder, runner.model


def test_each_budget_has_a_file_and_its_weights(search):
    folder, model = search
    full = model.cost_of('max')['macs']
    for tag, share in zip(TAGS, (0.7, 0.5, 0.3)):
        path = folder / f'DMCP_SUBNET_TINY_{tag}'
        subnet = Subnet.load(f'{path}.yaml')
        assert subnet.cost['macs'] == pytest.approx(share * full, rel=model.tolerance)
        assert subnet.target == dict(macs=round(share * full))
        net = apply(model.mutator.supernet.plain_copy(), subnet)
        net.load_state_dict(torch.load(f'{path}.pth', weights_only=True)['state_dict'])
    log = next(folder.glob('*/*.log')).read_text()
    assert 'One search, several budgets' in log
    assert 'expected_30PERCENT/accuracy/top1' in log


def test_each_budget_has_its_history_and_candidates(search):
    folder, model = search
    record = SearchRecord.load(folder)
    assert [b.name for b in record.budgets] == [f'DMCP_SUBNET_TINY_{t}' for t in TAGS]
    for budget, _ in zip(record.budgets, model.each_budget()):
        assert [moment.iteration for moment in budget.history] == list(range(7))
        assert budget.history[-1].cost['macs'] == pytest.approx(
            float(model.expected_cost().detach())
        )
        chosen = next(c for c in budget.candidates if c.name == budget.chosen)
        subnet = Subnet.load(folder / f'{budget.name}.yaml')
        assert chosen.cost['macs'] == subnet.cost['macs']
    line = next(
        line
        for line in draw_frontier(record, {}).axes[0].lines
        if len(line.get_xdata())
    )
    full = record.full.cost['macs']
    assert sorted(line.get_xdata()) == pytest.approx(
        [
            Subnet.load(folder / f'DMCP_SUBNET_TINY_{tag}.yaml').cost['macs'] / full
            for tag in reversed(TAGS)
        ]
    )


def test_a_search_for_several_goes_on_exactly(search, tmp_path, repo_root):
    """Resumed where the second of three budgets is next."""
    folder, _ = search
    again = shutil.copytree(folder, tmp_path / 'again')
    for file in again.glob('DMCP_SUBNET*'):
        file.unlink()
    last = str(again / 'epoch_3.pth')
    runner_of(again, repo_root, load_from=last, resume=True).train()
    for name in [f'DMCP_SUBNET_TINY_{tag}' for tag in TAGS]:
        texts = [(f / f'{name}.yaml').read_text() for f in (folder, again)]
        assert texts[0] == texts[1]
    states = [
        torch.load(f / 'epoch_6.pth', weights_only=False)['state_dict']
        for f in (folder, again)
    ]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
