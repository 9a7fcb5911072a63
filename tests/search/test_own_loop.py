"""A search in a loop of one's own is the one that a Runner would make."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import mmdmcp
from mmdmcp.errors import CheckpointError, ConfigError, DataError, TrainingError
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.models.torchvision import TorchvisionClassifier
from mmdmcp.registry import MODELS
from mmdmcp.search import DMCP, Gates

STEPS = 6


class Net(nn.Module):
    """Three convolutions and a classifier, for 8x8 images."""

    def __init__(self):
        super().__init__()
        layers = []
        for channels, width in ((1, 16), (16, 24), (24, 32)):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def net():
    torch.manual_seed(0)
    return Net()


def batch(seed, size=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 1, 8, 8, generator=generator), torch.arange(size) % 10


def loss_fn(model, data):
    return F.cross_entropy(model(data[0]), data[1])


def begin(kind=DMCP, steps=STEPS, **options):
    """A search, an optimiser of the weights and one of what it learns."""
    options = dict(dict(target='50%', loss_fn=loss_fn), **options)
    search = kind(options.pop('model', net()), example_inputs=X, steps=steps, **options)
    weights = torch.optim.SGD(search.model.parameters(), lr=0.05, momentum=0.9)
    return search, weights, search.optimizer()


X = batch(0, 1)[0]


@pytest.mark.parametrize('kind', [DMCP, Gates])
def test_the_result_is_small_and_the_model_as_it_was(kind, tmp_path):
    model = net()
    before = copy.deepcopy(model.state_dict())
    search, weights, choice = begin(kind, model=model)
    for i in range(STEPS):
        log = search.step(batch(i), weights, choice)
    assert log['loss'] > 0 and search.iteration == search.steps == STEPS
    arguments = () if kind is Gates else (lambda net: 0.5, [batch(0)])
    small = search.finish(*arguments)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        small.model(X)
    assert small.after['macs'] == counter.get_total_flops() // 2
    assert abs(small.after['macs'] / small.before['macs'] - 0.5) <= 0.01
    # The file makes the same network of another one, and nothing was renamed.
    small.subnet.save(tmp_path / 'small.yaml')
    again = mmdmcp.apply(net(), tmp_path / 'small.yaml')
    again.load_state_dict(small.model.state_dict())
    assert {unit.partition('.')[0] for unit in small.subnet.units} == {'features'}
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert 'forward' not in vars(model.fc) and str(small).count('pruned') == 1


def test_it_is_the_search_of_a_config():
    """The same weights and chains, bit by bit."""
    search, weights, chains = begin(arch_start=2)
    classifier = TorchvisionClassifier('resnet18', num_classes=10)
    classifier.model = net()  # a classifier whose network is ours
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=classifier,
            target='50%',
            input_shape=(1, 8, 8),
            arch_start=2,
            distillation='model',
        )
    )
    algorithm.schedule.set_length(STEPS)
    algorithm.train()

    def wrapper(lr, **options):
        return dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=lr, momentum=0.9, **options),
        )

    wrappers = SearchOptimWrapperConstructor(
        dict(
            architecture=wrapper(0.05),
            mutator=wrapper(chains.param_groups[0]['lr'], nesterov=True),
        )
    )(algorithm)
    from mmpretrain.structures import DataSample

    for i in range(STEPS):
        images, labels = batch(i)
        samples = [DataSample().set_gt_label(int(label)) for label in labels]
        log = algorithm.train_step(dict(inputs=images, data_samples=samples), wrappers)
        assert search.step((images, labels), weights, chains) == {
            name: float(value) for name, value in log.items()
        }
    assert torch.equal(search.algorithm.mutator.alpha, algorithm.mutator.alpha)
    for name, value in search.model.state_dict().items():
        assert torch.equal(value, classifier.model.state_dict()[name]), name


@pytest.mark.parametrize('kind', [DMCP, Gates])
def test_it_goes_on_exactly(kind):
    """From a file, as if it had never stopped."""

    def run(search, weights, choice, steps):
        for i in steps:
            search.step(batch(i), weights, choice)

    whole = begin(kind)
    run(*whole, range(STEPS))
    first = begin(kind)
    run(*first, range(4))
    file = io.BytesIO()
    torch.save([part.state_dict() for part in first], file)
    file.seek(0)
    second = begin(kind, seed=5)
    for part, state in zip(second, torch.load(file, weights_only=True)):
        part.load_state_dict(state)
    assert second[0].iteration == 4
    run(*second, range(4, STEPS))
    ends = [s.state_dict() for s in (whole[0], second[0])]
    for part in ('model', 'mutator'):
        for name, value in ends[0][part].items():
            assert torch.equal(value, ends[1][part][name]), name
    with pytest.raises(CheckpointError, match="no 'mutator'"):
        second[0].load_state_dict({'model': {}})
    with pytest.raises(CheckpointError, match='another model or method'):
        second[0].load_state_dict(dict(ends[0], model={}))


def test_the_best_candidate_is_taken():
    """By the function that is given; each has statistics of its own."""
    search, weights, chains = begin(tolerance=0.1)
    for i in range(STEPS):
        search.step(batch(i), weights, chains)
    seen = []

    def val_fn(model):
        assert not model.training
        norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        conv = model.features[0]
        expected = conv(batch(1)[0]).mean((0, 2, 3))
        torch.testing.assert_close(norm.running_mean, expected)
        seen.append(conv.out_channels)
        return -conv.out_channels

    small = search.finish(val_fn, [batch(1)], num_candidates=4)
    assert len(seen) == len(small.candidates) > 2
    assert small.model.features[0].out_channels == min(seen)
    assert small.chosen.metrics['score'] == -min(seen)
    assert 'chosen' in str(small) and small.model.training
    # Without a function nothing is compared.
    assert search.finish(batches=[batch(1)]).chosen.name == 'expected'


def test_several_targets_have_a_network_each():
    search, weights, chains = begin(target=['70%', '40%'], tolerance=0.1)
    for i in range(STEPS):
        search.step(batch(i), weights, chains)
    large, small = search.finish(batches=[batch(1)])
    for found, ratio in ((large, 0.7), (small, 0.4)):
        assert abs(found.after['macs'] / found.before['macs'] / ratio - 1) <= 0.1
        assert found.subnet.target == found.budget.values


def test_the_chains_rate_suits_the_steps_and_the_targets():
    def rate(steps, **options):
        search, _, _ = begin(steps=steps, **options)
        (group,) = search.optimizer().param_groups
        assert search.optimizer(0.7).param_groups[0]['lr'] == 0.7
        return group['lr']

    assert rate(100) == rate(400) == pytest.approx(0.1)
    assert rate(4000) == pytest.approx(25 / 2000)
    # Steps for one of several targets are as many times as long.
    assert rate(100, target=['70%', '40%']) == pytest.approx(0.05)
    assert rate(4000, target=['70%', '40%']) == pytest.approx(25 / 2000)


def test_any_output_will_do_without_distillation():
    class Dense(Net):
        def forward(self, image, scale=1.0):
            return dict(mean=self.features(image * scale).mean(1))

    def squares(model, data):
        return dict(loss_square=model(**data)['mean'].square().mean())

    torch.manual_seed(0)
    search = DMCP(
        Dense(),
        dict(params='60%'),
        dict(image=X),
        steps=4,
        loss_fn=squares,
        distillation=None,
    )
    weights = torch.optim.SGD(search.model.parameters(), lr=0.05)
    chains = search.optimizer(lr=0.1)
    for i in range(4):
        log = search.step(dict(image=batch(i)[0], scale=2.0), weights, chains)
    assert {'loss_square', 'loss_min', 'arch/expected_params'} <= set(log)
    small = search.finish(batches=[dict(image=batch(0)[0])])
    assert small.after['params'] <= 0.61 * small.before['params']


def test_what_is_wrong_is_named():
    search, weights, chains = begin()
    plain = net()
    with pytest.raises(ConfigError, match=r'weights:.*search\.model\.parameters'):
        search.step(batch(0), torch.optim.SGD(plain.parameters(), lr=0.1), chains)
    with pytest.raises(ConfigError, match=r'choice:.*search\.optimizer'):
        search.step(batch(0), weights, weights)
    with pytest.raises(TrainingError, match='chains train from step 3'):
        search.finish()
    search.model.eval()
    with pytest.raises(TrainingError, match=r'search\.model\.train\(\)'):
        search.step(batch(0), weights, chains)
    search.model.train()
    with pytest.raises(TrainingError, match='loss is nan at step 1'):
        search.step((batch(0)[0] * torch.nan, batch(0)[1]), weights, chains)
    search, weights, chains = begin(steps=2)
    for i in range(2):
        search.step(batch(i), weights, chains)
    with pytest.raises(ConfigError, match='has made its 2 steps'):
        search.step(batch(0), weights, chains)
    with pytest.raises(DataError, match='give training batches'):
        search.finish(lambda net: 0.0)


@pytest.mark.parametrize(
    'kind,options,words',
    [
        (DMCP, dict(model=nn.DataParallel(net())), r'Give model\.module'),
        (DMCP, dict(steps=0), 'steps=0'),
        (DMCP, dict(loss_fn=None), 'loss_fn'),
        (DMCP, dict(arch_start=1.0), 'arch_start=1.0'),
        (DMCP, dict(no_such=1), 'no_such'),
        (DMCP, dict(distillation='head'), "distillation='model.head'"),
        (Gates, dict(freeze=1.0), 'freeze=1.0'),
        (Gates, dict(distillation=None), 'distillation'),
    ],
)
def test_options_are_checked(kind, options, words):
    with pytest.raises(ConfigError, match=words):
        begin(kind, **options)


def test_a_loss_is_a_scalar():
    search, *optimisers = begin(loss_fn=lambda model, data: model(data[0]))
    with pytest.raises(ConfigError, match=r'shape \[8, 10\]: give a scalar'):
        search.step(batch(0), *optimisers)
