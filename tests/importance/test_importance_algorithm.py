"""Which channels go, at what cost, and how the rest trains."""

import copy

import pytest
import torch
from common.small_net import batch, classifier
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.errors import CheckpointError, ConfigError, TargetError
from mmdmcp.importance.schedule import ImportanceSchedule
from mmdmcp.ranking import channel_scores, normalise, taylor_saliency
from mmdmcp.registry import MODELS


def wrapper(algorithm, lr=0.1, **options):
    """One optimiser for the weights, without momentum."""
    optimizer = torch.optim.SGD(algorithm.architecture.parameters(), lr=lr)
    return OptimWrapper(optimizer, **options)


def kept(algorithm):
    return algorithm.mutator.current_choices


@pytest.mark.parametrize('criterion', ['l1', 'l2', 'bn_scale', 'size', 'taylor'])
def test_the_cost_is_at_the_target_and_exact(build, criterion):
    algorithm = build(mutator=dict(criterion=criterion), batches=2)
    algorithm.prune(batches=[batch(seed=0), batch(seed=1)])
    assert algorithm.budget.gap(algorithm.cost()) <= algorithm.tolerance
    net = algorithm.cut().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.randn(1, 1, 8, 8))
    assert algorithm.cost() == dict(
        macs=counter.get_total_flops() // 2,
        params=sum(p.numel() for p in net.parameters()),
    )


def test_several_measures_all_hold(build):
    algorithm = build(target=dict(flops='60%', params='50%'))
    algorithm.prune()
    cost = algorithm.cost()
    for limit in algorithm.budget:
        assert cost[limit.measure.name] <= 1.01 * limit.value
    assert algorithm.budget.gap(cost) <= 0.01


def test_the_network_runs_as_the_cut_one(build):
    algorithm = build().eval()
    full = algorithm(torch.ones(2, 1, 8, 8))
    algorithm.prune()
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(algorithm(x), algorithm.cut().eval()(x))
    assert not torch.equal(algorithm(torch.ones(2, 1, 8, 8)), full)


def test_the_most_important_channels_stay(build):
    algorithm = build(mutator=dict(criterion='bn_scale', normalisation='none'))
    backbone = algorithm.architecture.backbone
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1)
        order = torch.tensor([3.0, 0.0, 2.0, 0.1, 1.9, 0.2, 1.8, 0.3])
        backbone.layer1[0].bn1.weight.copy_(order)
    algorithm.prune()
    assert kept(algorithm)['backbone.layer1.0.conv1'] == (0, 2, 4, 6)


def test_scores_of_several_units_are_compared(build):
    """No removed channel of any unit scores above a kept one of another,
    but for those next to the threshold."""
    algorithm = build(architecture=classifier(depth=14), mutator=dict(min_ratio=0.0))
    supernet = algorithm.mutator.supernet
    scores = [normalise(row, 'mean') for row in channel_scores(supernet, 'l2')]
    algorithm.tolerance = 0.5
    algorithm.prune()
    lowest = min(
        float(row[list(k)].min())
        for row, k in zip(scores, algorithm.mutator.selections)
        if len(k) > 1
    )
    for row, k in zip(scores, algorithm.mutator.selections):
        gone = [i for i in range(len(row)) if i not in k]
        assert not gone or float(row[gone].max()) <= lowest


def test_taylor_uses_the_gradients_of_all_batches(build):
    algorithm = build(mutator=dict(criterion='taylor'))
    batches = [batch(seed=s) for s in range(3)]
    net = copy.deepcopy(algorithm.architecture.eval())

    def loss(data):
        data = algorithm.data_preprocessor(data, True)
        return algorithm.architecture(**data, mode='loss')['loss']

    saliency = taylor_saliency(algorithm.architecture, batches, loss)
    other = build(mutator=dict(criterion='taylor'))
    other.architecture.load_state_dict(net.state_dict())
    algorithm.mutator.prune(algorithm.budget, 1.0, 0.01, saliency)
    other.prune(batches=batches)
    assert kept(other) == kept(algorithm)
    with pytest.raises(ConfigError, match='there is none to take gradients from'):
        other.prune()


def test_channels_that_are_gone_stay_gone(build):
    algorithm = build(steps=4)
    before, costs = kept(algorithm), []
    for progress in algorithm.schedule.moments().values():
        with torch.no_grad():  # as if training had changed every weight
            for parameter in algorithm.architecture.parameters():
                parameter.copy_(torch.randn_like(parameter))
        algorithm.prune(progress)
        for name, channels in kept(algorithm).items():
            assert set(channels) <= set(before[name])
        before = kept(algorithm)
        costs.append(algorithm.cost()['macs'] / algorithm.cost_of('max')['macs'])
    assert costs == pytest.approx([0.875, 0.75, 0.625, 0.5], abs=0.01)


def test_removed_weights_do_not_train(build):
    algorithm = build().train()
    algorithm.prune()
    conv = algorithm.architecture.backbone.layer1[0].conv1
    before = conv.weight.detach().clone()
    log = algorithm.train_step(batch(), wrapper(algorithm))
    channels = list(kept(algorithm)['backbone.layer1.0.conv1'])
    gone = [i for i in range(8) if i not in channels]
    assert gone and torch.equal(conv.weight[gone], before[gone])
    assert not torch.equal(conv.weight[channels], before[channels])
    ratio = algorithm.cost()['macs'] / algorithm.cost_of('max')['macs']
    assert float(log['importance/macs']) == pytest.approx(ratio)
    assert algorithm.schedule.iteration == 1


def test_a_step_is_that_of_the_cut_network(build):
    """Same loss, same weights afterwards."""
    algorithm = build().train()
    algorithm.prune()
    net = algorithm.cut().train()
    log = algorithm.train_step(batch(), wrapper(algorithm))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = net(**algorithm.data_preprocessor(batch(), True), mode='loss')['loss']
    loss.backward()
    optimizer.step()
    torch.testing.assert_close(log['loss'], loss.detach())
    for name, value in algorithm.cut().state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name], msg=name)


class Scaled(BaseModel):
    """A convolution scaled by a parameter that no layer of torch owns."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 64, 3, padding=1)
        self.gamma = nn.Parameter(torch.rand(64, 1, 1))
        self.last = nn.Linear(64, 4)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        scores = self.last((self.first(inputs) * self.gamma).relu().mean((2, 3)))
        return scores if mode == 'tensor' else dict(loss=scores.logsumexp(1).mean())


def test_a_bare_parameter_trains_as_in_the_cut_network(build):
    """Step after step: its channels are copied, not viewed."""
    algorithm = build(Scaled()).train()
    algorithm.prune()
    net = algorithm.cut().train()
    assert net.gamma.shape[0] < 64
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    ours = wrapper(algorithm)
    data = dict(inputs=torch.randn(2, 1, 8, 8))
    losses = []
    for _ in range(3):
        log = algorithm.train_step(dict(data), ours)
        loss = net(data['inputs'], mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append((float(log['loss']), float(loss.detach())))
    for got, expected in losses:
        assert got == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(algorithm.cut().gamma, net.gamma)


def test_gradients_accumulate(build):
    algorithm = build().train()
    algorithm.prune()
    optim = wrapper(algorithm, accumulative_counts=2)
    optim.initialize_count_status(algorithm, 0, 10)
    weight = algorithm.architecture.backbone.conv1.weight
    before = weight.detach().clone()
    algorithm.train_step(batch(), optim)
    assert torch.equal(weight, before)
    algorithm.train_step(batch(), optim)
    assert not torch.equal(weight, before)


def test_a_checkpoint_has_the_channels(build):
    algorithm, other = build(), build(seed=1)
    algorithm.prune()
    other.load_state_dict(algorithm.state_dict())
    assert kept(other) == kept(algorithm) and other.cost() == algorithm.cost()
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(other.eval()(x), algorithm.eval()(x))


def test_a_checkpoint_of_another_method_is_refused(build):
    gates = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=classifier(),
            target='50%',
            input_shape=(1, 8, 8),
        )
    )
    with pytest.raises(CheckpointError, match='one of another method'):
        build().load_state_dict(gates.state_dict())


def test_widths_are_chosen_by_importance_or_by_hand(build):
    algorithm = build(mutator=dict(criterion='bn_scale', divisor=2))
    name = 'backbone.layer1.0.conv1'
    with torch.no_grad():
        norm = algorithm.architecture.backbone.layer1[0].bn1
        norm.weight.copy_(torch.arange(8.0) + 1)
    algorithm.prune()
    algorithm.set_widths({name: 3})
    assert kept(algorithm)[name] == (5, 6, 7)
    algorithm.set_widths({name: (1, 0)})
    assert kept(algorithm)[name] == (0, 1)
    unit = next(unit for unit in algorithm.mutator.units if unit.name == name)
    assert list(unit.choices) == [2, 4, 6, 8]


# ---- schedule ----------------------------------------------------------


def moments(steps, until, length=100):
    schedule = ImportanceSchedule(steps, until)
    schedule.set_length(length)
    return schedule.moments()


def test_steps_are_spread_evenly():
    assert moments(1, 0.5) == {0: 1.0}
    assert moments(2, 0.5) == {0: 0.5, 50: 1.0}
    assert moments(5, 40) == {0: 0.2, 10: 0.4, 20: 0.6, 30: 0.8, 40: 1.0}
    assert moments(4, 0.5, length=2) == {0: 0.5, 1: 1.0}


def test_the_network_must_train_after_the_last_step():
    schedule = ImportanceSchedule(2, 1.0)
    schedule.set_length(10)
    with pytest.raises(ConfigError, match=r'until=1.0 is iteration 10 of 10'):
        schedule.require_order()


# ---- bad input ---------------------------------------------------------


@pytest.mark.parametrize(
    'options,error,words',
    [
        (dict(steps=0), ConfigError, 'steps=0'),
        (dict(until=1.5), ConfigError, 'until=1.5'),
        (dict(batches=0), ConfigError, 'batches=0'),
        (dict(target='1%'), TargetError, r"can't be reached.*min_ratio=0.1"),
        (dict(stepss=2), ConfigError, "no option 'stepss'.*steps"),
        (dict(mutator=dict(criterion='l3')), ConfigError, "criterion='l3'"),
        (dict(mutator=dict(normalisation=2)), ConfigError, 'normalisation=2'),
        (dict(mutator=dict(min_ratio=-1)), ConfigError, 'min_ratio=-1'),
        (dict(mutator=dict(divisor=1.5)), ConfigError, 'divisor=1.5'),
        (dict(mutator=dict(readers='no')), ConfigError, "readers='no'"),
        (dict(mutator=dict(type='mmdmcp.GateChannelMutator')), ConfigError, 'is not'),
    ],
)
def test_what_is_wrong_is_named(build, options, error, words):
    with pytest.raises(error, match=words):
        build(**options)


def test_without_its_hook_nothing_is_pruned_in_silence(build):
    algorithm = build(length=0)
    with pytest.raises(ConfigError, match='mmdmcp.ImportanceHook'):
        algorithm.train_step(batch(), wrapper(algorithm))
