"""Whatever an option holds: a search that runs, or an error that says why.

Every option that the constructors of a search take, found by their
signatures, with values of all types and sizes.
``MMDMCP_FUZZ=10000 python -m pytest tests/fuzz`` tries as many for each.
"""

import inspect
import os

import pytest
import torch
from common.nonsense import nonsense, time_limit
from common.small_net import batch, classifier, optimisers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from mmdmcp.cost import Budget
from mmdmcp.dmcp import DMCP, DMCPChannelMutator
from mmdmcp.dmcp.grid import WidthGrid
from mmdmcp.errors import MmdmcpError
from mmdmcp.gate import GateChannelMutator, TrainableGate
from mmdmcp.registry import HOOKS, MODELS

#: A build takes a fifth of a second, on a busy machine several times that.
SECONDS = 60
fuzzed = settings(
    max_examples=int(os.environ.get('MMDMCP_FUZZ', 15)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
cheaply = settings(fuzzed, max_examples=20 * fuzzed.max_examples)


def options_of(kind):
    """Names of what a constructor takes."""
    known = inspect.signature(kind).parameters
    return sorted(set(known) - {'self', 'unknown'})


def some(kind, count=2):
    """A few options of a constructor, with values that may be anything."""
    names = st.sampled_from(options_of(kind))
    return st.dictionaries(names, nonsense, min_size=1, max_size=count)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def outcome(run):
    """What it gives, or None for an error that was raised on purpose.

    Such an error has a text. Everything else, and what takes too long, is a
    failure of the test.
    """
    with time_limit(SECONDS):
        try:
            return run()
        except MmdmcpError as error:
            assert str(error).strip()
            assert len(str(error)) < 5000
            return None


def search(kind, options):
    """Build a search, and train it for one step if that can be done."""
    cfg = dict(
        type=kind, architecture=classifier(), target='50%', input_shape=(1, 8, 8)
    )
    torch.manual_seed(0)
    algorithm = MODELS.build(dict(cfg, **options))
    algorithm.init_weights()
    algorithm.schedule.set_length(2)
    algorithm.train_step(batch(4), optimisers(algorithm))
    return algorithm


@fuzzed
@given(some(DMCP))
def test_dmcp(options):
    outcome(lambda: search(DMCP, options))


@fuzzed
@given(some(TrainableGate))
def test_gates(options):
    outcome(lambda: search(TrainableGate, options))


@fuzzed
@given(st.one_of(some(DMCPChannelMutator), st.dictionaries(st.just('type'), nonsense)))
def test_the_mutator_of_chains(options):
    outcome(lambda: search(DMCP, dict(mutator=options)))


@fuzzed
@given(st.one_of(some(GateChannelMutator), st.dictionaries(st.just('type'), nonsense)))
def test_the_mutator_of_gates(options):
    outcome(lambda: search(TrainableGate, dict(mutator=options)))


@fuzzed
@given(some(WidthGrid))
def test_a_grid_that_is_searched(options):
    outcome(lambda: search(DMCP, dict(mutator=dict(grid=options))))


@cheaply
@given(some(WidthGrid, count=4), st.integers(1, 4096))
def test_grids(options, channels):
    widths = outcome(lambda: WidthGrid(**options)(channels))
    if widths is not None:
        assert all(type(width) is int for width in widths)
        assert widths[-1] == channels and widths[0] >= 1
        assert list(widths) == sorted(set(widths))


@cheaply
@given(
    st.one_of(
        nonsense, st.dictionaries(st.sampled_from(['flops', 'params', 'x']), nonsense)
    ),
    st.integers(100, 10**12),
)
def test_targets(target, full):
    whole = dict(macs=full, params=full // 2 + 1)
    budget = outcome(lambda: Budget.parse(target, whole))
    for limit in budget or ():
        assert type(limit.value) is int and 0 <= limit.value <= limit.full


@cheaply
@given(st.data())
@pytest.mark.parametrize('name', ['DMCPSearchHook', 'GateHook'])
def test_hooks(name, data):
    options = data.draw(some(HOOKS.get(f'mmdmcp.{name}')))
    outcome(lambda: HOOKS.build(dict(type=f'mmdmcp.{name}', **options)))


@pytest.fixture(scope='module')
def subnet(tmp_path_factory):
    """A file of the small network."""
    init_default_scope('mmpretrain')
    cfg = dict(type=DMCP, architecture=classifier(), target='50%')
    algorithm = MODELS.build(dict(cfg, input_shape=(1, 8, 8)))
    path = tmp_path_factory.mktemp('subnet') / 'DMCP_SUBNET_X.yaml'
    algorithm.export_subnet('expected').save(path)
    return path


@fuzzed
@given(st.data())
def test_pruned_models(subnet, data):
    known = st.sampled_from(['cfg', 'subnet', 'prefix', 'init_cfg'])
    options = data.draw(st.dictionaries(known, nonsense, min_size=1, max_size=2))
    cfg = dict(type='mmdmcp.PrunedModel', cfg=classifier(), subnet=str(subnet))
    outcome(lambda: MODELS.build(dict(cfg, **options)))
