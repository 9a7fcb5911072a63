"""The search step: what it must do, and what must not happen."""

import copy

import pytest
import torch
from common.small_net import batch, classifier, optimisers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.dmcp.distill import InPlaceDistillation
from mmdmcp.errors import ConfigError


def start(algorithm, max_iters=10):
    algorithm.schedule.set_length(max_iters)
    algorithm.train()
    return algorithm


def tensors(module):
    return {
        k: v.clone()
        for k, v in module.state_dict().items()
        if isinstance(v, torch.Tensor)
    }


# ---- stage 1 ---------------------------------------------------------


def reference_gradients(algorithm, data, choices):
    """Gradients of the four networks, each built as a static network."""
    total = {
        n: torch.zeros_like(p) for n, p in algorithm.architecture.named_parameters()
    }
    teacher = None
    for widths in choices:
        net = algorithm.cut(widths).train()
        batch_ = algorithm.data_preprocessor(data, True)
        logits = net(**batch_, mode='tensor')
        if teacher is None:
            loss = net(**batch_, mode='loss')['loss']
            teacher = logits.detach()
        else:
            loss = InPlaceDistillation.loss(logits, teacher)
        loss.backward()
        for name, p in net.named_parameters():
            total[name][tuple(slice(0, n) for n in p.shape)] += p.grad
    return total


def test_weights_get_the_summed_gradients_of_the_four_static_nets(build, monkeypatch):
    """One accumulated step; the chains' marginals are not multiplied in."""
    algorithm = start(build(arch_start=0, random_sampling=(0.0, 0.0)))
    for group in algorithm.architecture.modules():
        if isinstance(group, nn.BatchNorm2d):
            group.momentum = 0.0  # the four passes share running statistics
    choices = []
    original = algorithm.mutator.set_widths

    def note(how):
        choices.append(original(how))
        return choices[-1]

    monkeypatch.setattr(algorithm.mutator, 'set_widths', note)
    wrappers = optimisers(algorithm, accumulative_counts=2)
    algorithm.train_step(batch(), wrappers)
    monkeypatch.undo()
    expected = reference_gradients(algorithm, batch(), choices[:4])
    assert len({tuple(c) for c in choices[:4]}) == 4
    for name, p in algorithm.architecture.named_parameters():
        # accumulative_counts=2 halves every loss
        torch.testing.assert_close(
            p.grad, expected[name] / 2, rtol=1e-4, atol=1e-6, msg=name
        )


def test_one_optimiser_step_a_stage(build, monkeypatch):
    """Weights always, chains from ``arch_start`` on; not one a network."""
    algorithm = start(build(arch_start=1))
    wrappers = optimisers(algorithm)
    steps = []
    for name in ('architecture', 'mutator'):
        optimizer = wrappers[name].optimizer
        monkeypatch.setattr(
            optimizer,
            'step',
            lambda *a, _step=optimizer.step, _name=name: (
                steps.append(_name),
                _step(*a),
            ),
        )
    algorithm.train_step(batch(), wrappers)
    assert steps == ['architecture']
    algorithm.train_step(batch(), wrappers)
    assert steps == ['architecture', 'architecture', 'mutator']


def test_accumulation_counts_iterations(build):
    """Four networks are one iteration."""
    algorithm = start(build(arch_start=0))
    wrappers = optimisers(algorithm, accumulative_counts=3)
    before = algorithm.architecture.backbone.conv1.weight.clone()
    alpha = algorithm.mutator.alpha.clone()
    for iteration in range(3):
        assert torch.equal(algorithm.architecture.backbone.conv1.weight, before)
        assert torch.equal(algorithm.mutator.alpha, alpha)
        algorithm.train_step(batch(seed=iteration), wrappers)
    assert not torch.equal(algorithm.architecture.backbone.conv1.weight, before)
    assert not torch.equal(algorithm.mutator.alpha, alpha)


def test_weights_that_stopped_stay_as_they_are(build):
    """Chains go on; before the chains begin, weights do not stop."""
    algorithm = start(build(arch_start=2, weights_stop=1))
    wrappers = optimisers(algorithm)
    for iteration in range(4):
        before = tensors(algorithm.architecture)
        alpha = algorithm.mutator.alpha.clone()
        algorithm.train_step(batch(seed=iteration), wrappers)
        after = tensors(algorithm.architecture)
        same = all(torch.equal(after[name], before[name]) for name in before)
        assert same == (iteration >= 2)
        assert torch.equal(algorithm.mutator.alpha, alpha) == (iteration < 2)


def test_a_sampled_supernet_is_its_static_net(build):
    """The same output, with trained weights and statistics."""
    algorithm = start(build(arch_start=0))
    wrappers = optimisers(algorithm)
    for seed in range(3):
        algorithm.train_step(batch(seed=seed), wrappers)
    algorithm.eval()
    x = torch.randn(4, 1, 8, 8)
    for how in ('min', 'random', 'direct', 'expected', 'max'):
        algorithm.set_widths(how)
        net = algorithm.cut().eval()
        assert sum(p.numel() for p in net.parameters()) == algorithm.cost()['params']
        with torch.no_grad():
            assert (net(x) - algorithm(x)).abs().max() <= 1e-5


# ---- stage 2 ---------------------------------------------------------


def arch_step(algorithm, wrappers, data=None):
    data = algorithm.data_preprocessor(data or batch(), True)
    return algorithm._train_chains(data, wrappers['mutator'])


def test_architecture_step_moves_alpha_alone(build):
    """No weight gradient, no weight, no statistic moves."""
    algorithm = start(build())
    wrappers = optimisers(algorithm)
    for p in algorithm.architecture.parameters():
        p.grad = torch.full_like(p, 3.0)
    before = tensors(algorithm.architecture)
    alpha = algorithm.mutator.alpha.clone()
    arch_step(algorithm, wrappers)
    for name, p in algorithm.architecture.named_parameters():
        assert (p.grad == 3).all(), name
        assert p.requires_grad
    for name, value in tensors(algorithm.architecture).items():
        assert torch.equal(value, before[name]), name
    moved = algorithm.mutator.alpha != alpha
    assert moved[algorithm.mutator.chains.sizes > 0].all()
    assert not moved[algorithm.mutator.chains.sizes == 0].any()


@pytest.mark.parametrize('step', ['logit', 'sign'])
@pytest.mark.parametrize('parametrisation', ['sigmoid', 'exp'])
def test_chains_on_budget_move_at_the_target(build, parametrisation, step):
    mutator = dict(parametrisation=parametrisation, step=step)
    algorithm = start(build(on_budget=True, arch_start=0, mutator=mutator))
    wrappers = optimisers(algorithm)
    wrappers['mutator'].optimizer.param_groups[0]['lr'] = 0.2
    first = algorithm.mutator.expected_widths().detach()
    for seed in range(5):
        arch_step(algorithm, wrappers, batch(seed=seed))
        used = algorithm.expected_cost() / algorithm.budget.values['macs']
        assert used.item() == pytest.approx(1, abs=1e-4)
    assert (algorithm.mutator.expected_widths() - first).abs().max() > 0.01


def test_a_level_gradient_leaves_the_expected_cost(build):
    """Along it the cost does not change, by finite differences."""
    algorithm = build(mutator=dict(parametrisation='exp', step='logit'))
    mutator, budget = algorithm.mutator, algorithm.budget
    alpha = mutator.alpha
    alpha.grad = torch.randn(alpha.shape, generator=torch.Generator().manual_seed(0))
    free = alpha.grad.clone()
    mutator.direct_gradient(budget, 1.0)

    def change(direction):
        step = 1e-4 * direction.double() / direction.norm()
        costs = [
            float(budget.used_at(mutator.supernet.cost, mutator.expected_widths(a)))
            for a in (alpha.detach().double() + step, alpha.detach().double() - step)
        ]
        return abs(costs[0] - costs[1])

    assert change(alpha.grad) < 1e-3 * change(free)


def test_a_stage_that_the_loss_does_not_read(build):
    """Its chains get no gradient of the task; the others train on."""
    net = classifier(out_indices=(1,))
    net['head']['in_channels'] = 16
    algorithm = start(build(architecture=net))
    names = [unit.name for unit in algorithm.mutator.units]
    before = algorithm.mutator.alpha.clone()
    arch_step(algorithm, optimisers(algorithm))
    moved = (algorithm.mutator.alpha != before).any(dim=1)
    assert any(name.startswith('backbone.layer3') for name in names)
    assert moved[names.index('backbone.conv1')]
    assert algorithm.mutator.alpha.isfinite().all()


def test_architecture_gradient_is_that_of_finite_differences(build):
    """Scaled norms, train mode, task and budget loss: one scalar function
    of alpha."""
    algorithm = start(build(dead_zone=0.5)).double()
    with torch.no_grad():  # away from the target, where the loss jumps
        algorithm.mutator.alpha.copy_(
            torch.randn(
                algorithm.mutator.chains.shape,
                generator=torch.Generator().manual_seed(0),
            )
        )
    data = algorithm.data_preprocessor(batch(), True)
    data['inputs'] = data['inputs'].double()
    mutator = algorithm.mutator

    def loss():
        from mmdmcp.engine import frozen_statistics

        mutator.supernet.scale(mutator.channel_scales())
        with frozen_statistics(algorithm.architecture):
            task = algorithm.architecture(**data, mode='loss')['loss']
        mutator.supernet.scale(None)
        from mmdmcp.dmcp.budget import budget_loss

        return task + 0.1 * budget_loss(
            algorithm.expected_cost(), algorithm.budget.values['macs'], 0.5
        )

    loss().backward()
    grad = mutator.alpha.grad
    for row, column in ((0, 0), (1, 3), (len(mutator.units) - 1, 2)):
        values = []
        for step in (1e-7, -1e-7):
            with torch.no_grad():
                mutator.alpha[row, column] += step
            values.append(loss().item())
            with torch.no_grad():
                mutator.alpha[row, column] -= step
        numeric = (values[0] - values[1]) / 2e-7
        assert grad[row, column].item() == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_architecture_loss_uses_batch_statistics(build):
    """With all chains certain it is the plain training loss."""
    algorithm = start(build(mutator=dict(init='zero')))
    with torch.no_grad():
        algorithm.mutator.alpha.fill_(0.0)
    data = algorithm.data_preprocessor(batch(), True)
    for m in algorithm.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.fill_(50.0)  # would ruin an eval-mode loss
    plain = copy.deepcopy(algorithm.cut('max')).train()(**data, mode='loss')['loss']
    log = arch_step(algorithm, optimisers(algorithm))
    assert log['arch/loss'].item() == pytest.approx(plain.item(), rel=1e-5)


@pytest.mark.parametrize('parametrisation', ['sigmoid', 'exp'])
def test_no_alpha_dies(build, parametrisation):
    """After steps that push hard, every gradient is alive."""
    algorithm = start(
        build(mutator=dict(parametrisation=parametrisation), arch_start=0)
    )
    wrappers = optimisers(algorithm, mutator_lr=0.5)
    for seed in range(4):
        algorithm.train_step(batch(seed=seed), wrappers)
    alpha = algorithm.mutator.alpha
    alpha.grad = None
    algorithm.mutator.expected_widths().sum().backward()
    used = algorithm.mutator.chains.sizes > 0
    assert (alpha.grad[used] != 0).all()


# ---- cost ------------------------------------------------------------


def test_expected_cost_carries_gradient_through_inputs_and_outputs(build):
    """Against finite differences, unit by unit."""
    algorithm = build()
    mutator = algorithm.mutator
    cost = mutator.supernet.cost
    widths = mutator.expected_widths().detach().requires_grad_()
    cost.macs(widths).backward()
    for i in range(len(mutator.units)):
        step = torch.zeros_like(widths).detach()
        step[i] = 0.5
        numeric = (cost.macs(widths + step) - cost.macs(widths - step)).item()
        assert widths.grad[i].item() == pytest.approx(numeric, rel=1e-9)
    # A unit feeds layers and is fed: both sides count.
    inner = mutator.units[1].name
    layers = [x for x in cost.layers if 1 in x.in_layout.units]
    assert layers and all(x.name != inner for x in layers)


def test_cost_equals_torchs_own_count(build):
    algorithm = build()
    algorithm.eval()
    for how in ('max', 'min', 'random', 'expected'):
        algorithm.set_widths(how)
        net = algorithm.cut()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.randn(1, 1, 8, 8))
        assert counter.get_total_flops() == 2 * algorithm.cost()['macs']
        assert sum(p.numel() for p in net.parameters()) == algorithm.cost()['params']


@pytest.mark.parametrize('parametrisation', ['sigmoid', 'exp'])
@pytest.mark.parametrize('target', ['70%', '50%', '30%'])
def test_chains_start_at_the_target(build, target, parametrisation):
    algorithm = build(target=target, mutator=dict(parametrisation=parametrisation))
    assert algorithm.expected_cost().item() == pytest.approx(
        algorithm.budget.values['macs'], rel=1e-5
    )


@pytest.mark.parametrize('init', ['target', 'zero'])
@pytest.mark.parametrize(
    'target', [dict(params='40%'), dict(flops='60%', params='40%'), 'params=40%']
)
def test_a_target_may_count_anything(build, target, init):
    """Chains start where all of it holds; a step pulls what is above down."""
    algorithm = start(
        build(target=target, arch_start=0, mutator=dict(init=init), budget_weight=1e3)
    )
    costs = {n: algorithm.expected_cost(n).item() for n in algorithm.budget.values}
    if init == 'target':
        assert algorithm.budget.used(costs) == pytest.approx(1, rel=1e-5)
    algorithm.mutator.alpha.data.fill_(0.02)
    before = {n: algorithm.expected_cost(n).item() for n in algorithm.budget.values}
    assert algorithm.budget.used(before) > 1.2
    log = algorithm.train_step(batch(), optimisers(algorithm, momentum=0))
    for name, value in before.items():
        assert log[f'arch/expected_{name}'] == pytest.approx(value)
        assert algorithm.expected_cost(name) < value
    assert algorithm.export_subnet('min').target == algorithm.budget.values


def test_a_cost_that_no_target_counts(build):
    with pytest.raises(ConfigError, match=r"'params'\): the target counts \['macs'\]"):
        build().expected_cost('params')


# ---- export ----------------------------------------------------------


def test_copy_and_export_after_training_steps(build):
    """Both work after any step."""
    algorithm = start(build(arch_start=0))
    wrappers = optimisers(algorithm)
    for seed in range(2):
        algorithm.train_step(batch(seed=seed), wrappers)
    copy.deepcopy(algorithm)
    subnet = algorithm.export_subnet('expected')
    assert all(isinstance(u.channels, int) for u in subnet.units.values())


def test_a_copy_runs_on_its_own(build):
    algorithm = build()
    other = copy.deepcopy(algorithm).eval()
    algorithm.eval()
    other.set_widths('min')
    x = torch.randn(2, 1, 8, 8)
    full = algorithm(x)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    assert torch.equal(algorithm(x), full)
    assert other.cost()['macs'] < algorithm.cost()['macs']


def test_export_names_every_unit_and_reloads(build, tmp_path):
    from mmdmcp.registry import MODELS

    algorithm = build()
    algorithm.set_widths('random')
    subnet = algorithm.export_subnet()
    subnet.save(tmp_path / 'DMCP_SUBNET_X.yaml')
    assert {n: u.channels for n, u in subnet.units.items()} == {
        u.name: u.current_choice for u in algorithm.mutator.units
    }
    net = MODELS.build(
        dict(
            type='mmdmcp.PrunedModel',
            cfg=classifier(),
            subnet=str(tmp_path / 'DMCP_SUBNET_X.yaml'),
        )
    )
    assert sum(p.numel() for p in net.parameters()) == subnet.cost['params']
    net.load_state_dict(algorithm.cut().state_dict())


def test_set_widths_takes_names(build):
    algorithm = build()
    name = algorithm.mutator.units[1].name
    algorithm.set_widths({name: 3})
    assert algorithm.mutator.units[1].current_choice == 3
    assert (
        algorithm.mutator.units[0].current_choice
        == algorithm.mutator.units[0].num_channels
    )


# ---- state -----------------------------------------------------------


def test_a_restored_search_goes_on_as_the_first_would(build):
    """Weights, alphas, momentum, schedule and draws."""
    torch.manual_seed(0)

    def steps(algorithm, wrappers, seeds):
        for seed in seeds:
            algorithm.train_step(batch(seed=seed), wrappers)

    first = start(build(arch_start=2))
    wrappers = optimisers(first)
    steps(first, wrappers, range(4))
    saved = copy.deepcopy(dict(model=first.state_dict(), optim=wrappers.state_dict()))
    steps(first, wrappers, range(4, 7))

    second = start(build(seed=99, arch_start=2))
    wrappers = optimisers(second)
    second.load_state_dict(saved['model'])
    wrappers.load_state_dict(saved['optim'])
    steps(second, wrappers, range(4, 7))
    for name, value in tensors(first).items():
        assert torch.equal(value, tensors(second)[name]), name
    assert first.mutator.choose('direct') == second.mutator.choose('direct')


def test_state_loads_with_weights_only(build, tmp_path):
    algorithm = build()
    torch.save(algorithm.state_dict(), tmp_path / 'a.pth')
    state = torch.load(tmp_path / 'a.pth', weights_only=True)
    algorithm.load_state_dict(state)
