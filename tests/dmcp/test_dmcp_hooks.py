"""What the hook of a search refuses, says, chooses and writes."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmdmcp.dmcp.hooks import DMCPSearchHook
from mmdmcp.errors import ConfigError
from mmdmcp.gate.hooks import GateHook
from mmdmcp.subnet import Subnet


@pytest.fixture
def search(repo_root, tmp_path):
    """A function that builds the runner of a search of two iterations."""

    def build(**options):
        cfg = Config.fromfile(repo_root / 'tests/faults/search_config.py')
        cfg.work_dir = str(tmp_path)
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': 2,
                'train_cfg.val_interval': 1,
                'train_dataloader.dataset.indices': 64,
                'train_dataloader.batch_size': 64,
                'val_dataloader.dataset.indices': 64,
                'param_scheduler': None,
                **options,
            }
        )
        return Runner.from_cfg(cfg)

    return build


def logged(tmp_path):
    return next(tmp_path.glob('*/*.log')).read_text()


@pytest.mark.parametrize(
    'options,said',
    [
        (dict(name='a/b'), "name='a/b'"),
        (dict(num_candidates=-1), 'num_candidates=-1'),
        (dict(max_draws=0.5), 'max_draws=0.5: give a whole number'),
        (dict(recalibration_batches=None), 'recalibration_batches=None'),
    ],
)
def test_options(options, said):
    with pytest.raises(ConfigError, match=f'DMCPSearchHook: {said}'):
        DMCPSearchHook(**options)


def test_the_tolerance_is_the_models():
    with pytest.raises(ConfigError, match='set model.tolerance'):
        DMCPSearchHook(tolerance=0.05)


def test_a_gate_hook_has_a_name_for_files_too():
    with pytest.raises(ConfigError, match="GateHook: name='../x'"):
        GateHook(name='../x')


def test_an_unknown_metric_is_found_at_the_first_validation(search):
    runner = search(**{'custom_hooks.0.rank_by': 'mIoU'})
    with pytest.raises(ConfigError, match=r"'mIoU'.*\['accuracy/top1'"):
        runner.train()
    assert runner.epoch == 1


@pytest.mark.parametrize('loop', ['mmdmcp.SearchValLoop', 'ValLoop'])
def test_a_known_metric_ranks(search, tmp_path, loop):
    search(
        **{
            'custom_hooks.0.rank_by': 'accuracy/top1',
            'val_cfg': dict(_delete_=True, type=loop),
        }
    ).train()
    plain = 'what is validated during the search is the widest' in logged(tmp_path)
    assert plain == (loop == 'ValLoop')
    assert (tmp_path / 'DMCP_SUBNET_TINY.yaml').is_file()


@pytest.mark.parametrize(
    'target, name, measures',
    [
        ('params=60%', '60PERCENT_PARAMS', {'params'}),
        ('flops=70% params=60%', '70PERCENT_60PERCENT_PARAMS', {'macs', 'params'}),
    ],
)
def test_a_search_for_parameters(search, tmp_path, target, name, measures):
    runner = search(**{'model.target': target, 'custom_hooks.0.name': None})
    runner.train()
    subnet = Subnet.load(tmp_path / f'DMCP_SUBNET_{name}.yaml')
    assert set(subnet.target) == measures
    used = [subnet.cost[key] / subnet.target[key] for key in measures]
    assert abs(max(used) - 1) <= 0.05
    net = torch.load(tmp_path / f'DMCP_SUBNET_{name}.pth', weights_only=True)
    parameters = dict(runner.model.architecture.named_parameters())
    count = sum(v.numel() for k, v in net['state_dict'].items() if k in parameters)
    assert count == subnet.cost['params']
    text = logged(tmp_path)
    assert all(f'arch/expected_{key}' in text for key in measures)
    assert f'{runner.model.budget.limits[0].measure.title} ' in text


def test_the_best_candidate_is_written(search, tmp_path, monkeypatch):
    """Each is evaluated with statistics of its own batches."""
    nets, scores = [], iter((10.0, 30.0, 20.0))

    def evaluate(net, *_):
        nets.append(net)
        return {'accuracy/top1': next(scores)}

    monkeypatch.setattr('mmdmcp.dmcp.ranker.evaluate', evaluate)
    runner = search()
    runner.train()
    assert len(nets) == 3
    # One batch; the supernet's have seen four networks an iteration.
    assert all(net.backbone.bn1.num_batches_tracked == 1 for net in nets)
    assert runner.model.architecture.backbone.bn1.num_batches_tracked == 8
    best = nets[1].state_dict()
    written = torch.load(tmp_path / 'DMCP_SUBNET_TINY.pth', weights_only=True)[
        'state_dict'
    ]
    for name, value in best.items():
        assert torch.equal(value, written[name]), name
    subnet = Subnet.load(tmp_path / 'DMCP_SUBNET_TINY.yaml')
    assert all(
        unit.channels == len(best[f'{name}.weight'])
        for name, unit in subnet.units.items()
    )
    assert 'direct1 (chosen)' in logged(tmp_path)


def test_the_least_loss_is_written_and_its_neighbours_are_tried(
    search, tmp_path, monkeypatch
):
    """Two neighbours more; the last of them has the least loss."""
    losses, nets = iter((3.0, 4.0, 5.0, 6.0, 1.0)), []

    def evaluate_loss(net, _):
        nets.append(net)
        return next(losses)

    monkeypatch.setattr('mmdmcp.dmcp.ranker.evaluate_loss', evaluate_loss)
    runner = search(
        **{'custom_hooks.0.rank_by': 'loss', 'custom_hooks.0.num_evolved': 2}
    )
    runner.train()
    assert 'evolved2 (chosen)' in logged(tmp_path)
    written = Subnet.load(tmp_path / 'DMCP_SUBNET_TINY.yaml')
    assert runner.model.budget.gap(written.cost) <= runner.model.tolerance
    best = nets[-1].state_dict()
    for name, unit in written.units.items():
        assert unit.channels == len(best[f'{name}.weight'])


def test_validation_names_its_networks(search, monkeypatch):
    """Recalibrated copies: the search itself stays as it is."""

    def evaluate(net, *_):
        return dict(
            params=sum(p.numel() for p in net.parameters()),
            mean=net.backbone.bn1.running_mean.abs().max().item(),
        )

    monkeypatch.setattr('mmdmcp.methods.val_loop.evaluate', evaluate)
    runner = search()
    algorithm = runner.model
    algorithm.architecture.backbone.bn1.running_mean.fill_(1000.0)
    before = copy.deepcopy(algorithm.state_dict())
    found = runner.val()
    for name in ('max', 'expected'):
        params = algorithm.mutator.cost_of(algorithm.mutator.choose(name))
        assert found.pop(f'{name}/params') == params['params']
        assert found.pop(f'{name}/mean') < 100
    assert not found
    for name, value in algorithm.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_without_validation_it_says_that_nothing_is_ranked(search, tmp_path):
    search(val_cfg=None, val_dataloader=None, val_evaluator=None).train()
    assert 'nothing will rank the candidates' in logged(tmp_path)
    assert (tmp_path / 'DMCP_SUBNET_TINY.pth').is_file()


def test_the_hook_of_the_other_method(search):
    said = 'GateHook is not the hook of DMCP, .* give mmdmcp.DMCPSearchHook'
    with pytest.raises(ConfigError, match=said):
        search(custom_hooks=[dict(type='mmdmcp.GateHook')]).train()


def test_a_hook_twice(search):
    hook = dict(type='mmdmcp.DMCPSearchHook')
    with pytest.raises(ConfigError, match='DMCPSearchHook is not the only hook'):
        search(custom_hooks=[hook, hook]).train()
