"""One network, one pass, one step for weights and gates."""

import pytest
import torch
from common.small_net import batch, classifier, plain_optimisers
from torch import nn

from mmdmcp.ranking import channel_sizes
from mmdmcp.subnet import Subnet


def gates_step(algorithm, **kwargs):
    """The gates' gradient of one train step, seen as an SGD step."""
    before = algorithm.mutator.gates.detach().clone()
    log = algorithm.train_step(batch(), plain_optimisers(algorithm, **kwargs))
    return algorithm.mutator.gates.detach() - before, log


# ---- gates -----------------------------------------------------------------


def test_tied_layers_share_gates(build):
    """Layers added together read one row of gates; closing a channel there
    closes it in all of them."""
    algorithm = build()
    units = {unit.name: unit for unit in algorithm.mutator.units}
    stem = units['backbone.conv1']
    assert stem.num_channels == 8 and 'backbone.layer1.0.conv2' not in units
    row = algorithm.mutator.units.index(stem)
    with torch.no_grad():
        algorithm.mutator.gates[row, 3] = -1.0
    layers = algorithm.export_subnet().layers
    for name in (
        'backbone.conv1',
        'backbone.bn1',
        'backbone.layer1.0.conv2',
        'backbone.layer1.0.bn2',
    ):
        assert layers[name].out_kept == (0, 1, 2, 4, 5, 6, 7), name
    for name in (
        'backbone.layer1.0.conv1',
        'backbone.layer2.0.conv1',
        'backbone.layer2.0.downsample.0',
    ):
        assert layers[name].in_kept == (0, 1, 2, 4, 5, 6, 7), name


def test_gradient_of_a_gate_is_the_slope_of_the_loss_along_its_channel(build):
    """d task / d gate against a finite difference of a network whose norms
    are scaled by hand. For a closed channel it is what opening it would
    bring: the slope on the open side of the ReLU's kink."""
    algorithm = build().double().eval()
    mutator = algorithm.mutator.train()
    with torch.no_grad():
        mutator.gates[0, 2] = -1.0
        for module in algorithm.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.uniform_(-0.5, 0.5)
    data = algorithm.data_preprocessor(batch())
    data['inputs'] = data['inputs'].double()

    def task(values):
        with mutator.scaled(mutator.rows(values)):
            losses = algorithm.architecture(**data, mode='loss')
        return losses['loss']

    values = mutator.values()
    task(values).backward()
    for channel in (2, 5):
        step = torch.zeros_like(values)
        step[0, channel] = 1e-6
        with torch.no_grad():
            slope = (task(values + step) - task(values)) / 1e-6
        assert mutator.gates.grad[0, channel].item() == pytest.approx(
            slope.item(), rel=1e-3
        )
    assert mutator.gates.grad[0, 2] != 0


def test_the_budget_pulls_the_cost_to_the_target(build):
    """Above the target the gates fall, below they rise; a unit's fall in
    proportion to what a channel costs."""
    algorithm = build(budget_weight=1e6, ramp=0)
    step, log = gates_step(algorithm, mutator_lr=1e-3)
    valid = algorithm.mutator.valid
    assert log['gate/macs'] == 1
    assert log['gate/macs_target'] == pytest.approx(0.5, abs=1e-3)
    assert (step[valid] < 0).all()
    algorithm = build(budget_weight=1e6, ramp=0)
    algorithm.mutator.gates.data.fill_(-1.0)
    step, log = gates_step(algorithm, mutator_lr=1e-3)
    assert log['gate/macs'] < 0.5 and (step[valid] > 0).all()


def test_budget_gradient_is_the_cost_of_one_more_channel(build):
    """Cost is a product of widths, so one more channel costs its slope."""
    algorithm = build()
    mutator = algorithm.mutator
    algorithm.expected_cost().backward()
    full = mutator.cost_of(mutator.choose('max'))['macs']
    for row, unit in enumerate(mutator.units):
        fewer = {unit.name: unit.num_channels - 1}
        slope = full - mutator.cost_of(mutator.choose(fewer))['macs']
        # Layers whose inputs and outputs are both this unit's are quadratic.
        assert mutator.gates.grad[row, 0].item() == pytest.approx(slope, rel=0.15)


def test_the_last_channel_stays_open(build):
    algorithm = build()
    with torch.no_grad():
        algorithm.mutator.gates.fill_(-1.0)
        algorithm.mutator.gates[:, 4] = -0.5
    assert algorithm.mutator.choose('open') == [(4,)] * len(algorithm.mutator.units)
    exact = algorithm.eval().mutator.values()
    assert exact.sum(1).tolist() == [1.0] * len(algorithm.mutator.units)
    assert exact[:, 4].tolist() == [1.0] * len(algorithm.mutator.units)
    values = algorithm.train().mutator.values()
    assert torch.allclose(values, exact, atol=1e-5)
    values.sum().backward()
    assert (algorithm.mutator.gates.grad[:, 4] == 1).all()
    algorithm.cut()(torch.randn(2, 1, 8, 8))


# ---- where they start --------------------------------------------------


def test_importance_is_the_size_of_what_scales_a_channel(build):
    algorithm = build()
    supernet = algorithm.mutator.supernet
    norm = algorithm.architecture.backbone.layer1[0].bn1
    with torch.no_grad():
        norm.weight.copy_(torch.arange(1.0, 9.0))
        norm.bias.copy_(torch.tensor([0.0] * 7 + [6.0]))
    units = [unit.name for unit in supernet.units]
    found = channel_sizes(supernet)[units.index('backbone.layer1.0.conv1')]
    size = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 10])
    assert torch.allclose(found, size / size.mean())
    assert all(row.mean().item() == pytest.approx(1) for row in channel_sizes(supernet))


def test_gates_start_open_where_asked(build):
    assert set(build(mutator=dict(init=0.5)).mutator.gates[0].tolist()) <= {0.0, 0.5}
    algorithm = build()
    assert algorithm.cost() == algorithm.mutator.cost_of(
        algorithm.mutator.choose('max')
    )


# ---- training ----------------------------------------------------------


def test_weights_get_the_gradient_of_the_gated_network(build):
    """And closed channels next to none: they stay as they are."""
    algorithm = build()
    with torch.no_grad():
        algorithm.mutator.gates[1, ::2] = -1.0
    name = algorithm.mutator.units[1].name
    conv = algorithm.architecture.get_submodule(name)
    before = conv.weight.detach().clone()
    algorithm.train_step(batch(), plain_optimisers(algorithm))
    moved = (conv.weight.detach() - before).abs().amax((1, 2, 3))
    assert moved[::2].max() < 1e-4 * moved[1::2].min()


def test_the_task_opens_a_channel_that_it_needs(build):
    """Without budget, gates closed by hand: those that lower the loss come
    back, and only those."""
    algorithm = build(budget_weight=1e-9)
    gates = algorithm.mutator.gates
    with torch.no_grad():
        gates[1, :4] = -1e-4
    algorithm.train_step(batch(), plain_optimisers(algorithm, mutator_lr=1.0))
    moved = gates[1, :4].detach()
    assert (moved > 0).any() and (moved != -1e-4).all()


def test_cost_is_exact_and_differentiable_in_any_mode(build):
    algorithm = build()
    with torch.no_grad():
        algorithm.mutator.gates[:, ::3] = -1.0
    for mode in (True, False):
        cost = algorithm.train(mode).expected_cost()
        assert cost.item() == algorithm.cost()['macs'] and cost.requires_grad


def test_one_pass_an_iteration(build):
    """As many convolutions as in plain training."""
    algorithm = build()
    calls = []
    algorithm.architecture.backbone.conv1.register_forward_hook(
        lambda *_: calls.append(1)
    )
    algorithm.train_step(batch(), plain_optimisers(algorithm))
    assert len(calls) == 1


def test_the_target_tightens_then_holds(build):
    algorithm = build(target='50%', ramp=0.4, freeze=0.8, length=10)
    (limit,) = algorithm.budget
    aims = []
    for _ in range(10):
        aims.append(algorithm.schedule.aim(limit.ratio))
        algorithm.schedule.advance()
    assert aims == pytest.approx([1, 0.875, 0.75, 0.625] + [0.5] * 6, abs=1e-3)


@pytest.mark.parametrize(
    'target, measures',
    [
        ('50%', ['macs']),
        (dict(params='50%'), ['params']),
        (dict(flops='60%', params='50%'), ['macs', 'params']),
    ],
)
def test_the_result_is_within_one_percent(build, target, measures):
    """Of several targets all hold, and one of them is met."""
    algorithm = build(classifier(depth=14, base_channels=16), target=target, length=5)
    wrappers = plain_optimisers(algorithm, lr=0.01)
    for _ in range(5):
        algorithm.train_step(batch(), wrappers)
    assert algorithm.mutator.frozen
    subnet = algorithm.export_subnet()
    assert list(subnet.target) == measures
    used = [subnet.cost[name] / subnet.target[name] for name in measures]
    assert abs(max(used) - 1) <= 0.01


def test_frozen_gates_hold_still_while_weights_train(build):
    algorithm = build(length=4, ramp=0.25, freeze=0.5)
    wrappers = plain_optimisers(algorithm)
    for _ in range(3):
        algorithm.train_step(batch(), wrappers)
    gates = algorithm.mutator.gates.detach().clone()
    weight = algorithm.architecture.head.fc.weight.detach().clone()
    algorithm.train_step(batch(), wrappers)
    assert torch.equal(algorithm.mutator.gates, gates)
    assert not torch.equal(algorithm.architecture.head.fc.weight, weight)


def test_gates_are_tuned_in_float32_under_autocast(build):
    kind = dict(type='mmdmcp.CPUAmpOptimWrapper')
    algorithm = build(ramp=0)
    step, _log = gates_step(algorithm, **kind)
    assert algorithm.mutator.gates.dtype == torch.float32
    assert torch.isfinite(step).all() and step.abs().sum() > 0
    plain, _ = gates_step(build(ramp=0))
    assert torch.allclose(step, plain, rtol=0.2, atol=0.02)


def test_the_shape_scales_the_gradient(build):
    """All gates at 0.5, where the triangle is 0.5."""
    one, _ = gates_step(build(mutator=dict(init=0.5)))
    half, _ = gates_step(build(mutator=dict(init=0.5, shape='triangle')))
    assert torch.allclose(half, one / 2, atol=1e-6)


# ---- what it hands over ------------------------------------------------


def test_export_survives_the_file(build, tmp_path):
    algorithm = build()
    with torch.no_grad():
        algorithm.mutator.gates[:, ::3] = -1.0
    subnet = algorithm.export_subnet()
    subnet.save(tmp_path / 'GATE_SUBNET_X.yaml')
    assert Subnet.load(tmp_path / 'GATE_SUBNET_X.yaml') == subnet
    assert subnet.method == 'gate'
    assert subnet.units[algorithm.mutator.units[0].name].kept == (1, 2, 4, 5, 7)
    assert {k: subnet.cost[k] for k in ('macs', 'params')} == algorithm.cost()


def test_chosen_widths_keep_the_largest_gates(build):
    algorithm = build()
    unit = algorithm.mutator.units[0]
    algorithm.mutator.gates.data[0, :8] = torch.tensor(
        [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6]
    )
    algorithm.set_widths({unit.name: 3})
    assert algorithm.mutator.selections[0] == (1, 3, 5)
    algorithm.set_widths({unit.name: (0, 2)})
    assert algorithm.mutator.selections[0] == (0, 2)
    algorithm.eval()
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(algorithm(x), algorithm.cut().eval()(x), atol=1e-6)
    algorithm.set_widths('open')
    assert len(algorithm.mutator.selections[0]) == 8


def test_a_plain_checkpoint_loads(build):
    """``load_from`` names a checkpoint of the network that is pruned."""
    algorithm, other = build(seed=0), build(seed=1)
    from mmengine.runner.checkpoint import load_state_dict

    gates = other.mutator.gates.detach().clone()
    load_state_dict(other, algorithm.architecture.state_dict())
    for a, b in zip(
        algorithm.architecture.parameters(), other.architecture.parameters()
    ):
        assert torch.equal(a, b)
    assert torch.equal(other.mutator.gates, gates)
    load_state_dict(other, algorithm.state_dict())
    assert torch.equal(other.mutator.gates, algorithm.mutator.gates)


def test_a_restored_training_goes_on_as_the_first_would(build):
    """At every point: before and after the gates freeze."""
    first = build(length=6)
    wrappers = plain_optimisers(first)
    for done in range(6):
        if done in (2, 4):
            second = build(seed=9, length=6)
            second.load_state_dict(first.state_dict())
            others = plain_optimisers(second)
            for part in ('architecture', 'mutator'):
                others[part].load_state_dict(wrappers[part].state_dict())
            log = second.train_step(batch(seed=done), others)
            same = first.train_step(batch(seed=done), wrappers)
            assert {k: v.item() for k, v in log.items()} == {
                k: v.item() for k, v in same.items()
            }
            for a, b in zip(first.state_dict().values(), second.state_dict().values()):
                assert torch.equal(a, b)
        else:
            first.train_step(batch(seed=done), wrappers)
