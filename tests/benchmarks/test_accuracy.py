"""The benchmark of retraining: every arm end to end, and going on."""

import copy
import pickle

import numpy as np
import pytest
import torch

from benchmarks.accuracy import __main__ as command
from benchmarks.accuracy import arms, networks, report, runs, together, training
from benchmarks.widths.data import CIFAR10
from mmdmcp.cost import count
from mmdmcp.subnet import Subnet


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """CIFAR-10's files, with noise for images."""
    root = tmp_path_factory.mktemp('data')
    folder = root / 'cifar-10-batches-py'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in [*(f'data_batch_{i}' for i in range(1, 6)), 'test_batch']:
        images = rng.integers(0, 256, (32, 3072), dtype=np.uint8)
        labels = rng.integers(0, 10, 32).tolist()
        with open(folder / name, 'wb') as file:
            pickle.dump({b'data': images, b'labels': labels}, file)
    return root


def make(data_root, folder, arm, share=0.5, epochs=2, seed=0):
    space = networks.ResNetSpace('resnet8')
    recipe = training.Recipe(epochs, 16, seed)
    return runs.Run(
        arm,
        space,
        training.Images(data_root),
        CIFAR10(data_root, 16),
        folder,
        recipe,
        share,
        search=(4, 8, 16),
    )


def test_uniform_networks_cost_what_they_should():
    space = networks.ResNetSpace('resnet20')
    for share in (0.5, 0.3):
        net = space.uniform(share)
        cost = count(lambda: net.eval()(torch.zeros(1, 3, 32, 32)))
        assert cost == pytest.approx(share * space.full_macs, rel=0.01)


@pytest.mark.parametrize(
    'arm', ['dmcp', 'random', 'importance', 'gates', 'mmrazor_dmcp']
)
def test_an_arm_ends_at_the_target_with_a_file_of_its_network(data_root, tmp_path, arm):
    run = make(data_root, tmp_path, arm)
    start = command.ARMS[arm](run)
    cost = networks.macs(start.net)
    assert cost == pytest.approx(run.target, rel=0.011)
    [file] = tmp_path.rglob(f'{arm}_*.yaml')
    assert Subnet.load(file).cost['macs'] == cost
    command.train({run: start})
    assert start.seconds > 0
    assert networks.macs(start.net) == cost


def test_a_search_is_made_once_for_trainings_of_any_length(
    data_root, tmp_path, monkeypatch
):
    first = command.ARMS['dmcp'](make(data_root, tmp_path, 'dmcp'))
    monkeypatch.setattr(runs.Search, 'run', None)
    longer = command.ARMS['dmcp'](make(data_root, tmp_path, 'dmcp', epochs=3))
    for one, other in zip(first.net.parameters(), longer.net.parameters()):
        assert torch.equal(one, other)
    assert longer.search_macs == first.search_macs > 0


def test_torch_pruning_ends_below_the_target(data_root, tmp_path):
    pytest.importorskip('torch_pruning')
    for arm in command.PEERS:
        run = make(data_root, tmp_path, arm)
        cost = networks.macs(command.ARMS[arm](run).net)
        assert 0.8 * run.target < cost <= run.target


def test_a_missing_peer_is_named_before_anything_is_trained(
    data_root, monkeypatch, capsys
):
    words = ['run', 'resnet8', f'--data-root={data_root}', '--arms', 'uniform']
    monkeypatch.setattr('sys.argv', ['accuracy', *words, 'tp_magnitude'])
    monkeypatch.setattr(command, 'find_spec', lambda name: None)
    monkeypatch.setattr(command, 'compute', None)
    assert command.main() == 1
    assert 'pip install torch-pruning' in capsys.readouterr().err


def test_training_that_was_killed_ends_as_it_would_have(
    data_root, tmp_path, monkeypatch
):
    def trained(folder):
        run = make(data_root, tmp_path / folder, 'importance')
        start = arms.importance(run)
        command.train({run: start})
        return start.net.state_dict()

    wanted = trained('whole')

    batches = training.Images.train_batch

    def killed(self, seed, number, batch):
        if number == left[0]:
            left.pop(0)
            raise KeyboardInterrupt
        return batches(self, seed, number, batch)

    left = [3, 9, 14, -1]  # within each half, whose checkpoints are its epochs
    monkeypatch.setattr(training.Images, 'train_batch', killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            trained('killed')
    assert all(torch.equal(v, wanted[k]) for k, v in trained('killed').items())


def test_results_are_computed_once_and_compared_by_seed(data_root, tmp_path):
    path = tmp_path / 'resnet20.jsonl'
    for seed in (0, 1):
        for arm, share in (('full', 1.0), ('uniform', 0.5), ('uniform', 0.5)):
            run = make(data_root, tmp_path, arm, share, 1, seed)
            command.compute([run], path)
    found = command.records.read(path)
    assert [(r['arm'], r['seed']) for r in found] == [
        ('full', 0),
        ('uniform', 0),
        ('full', 1),
        ('uniform', 1),
    ]
    for record, accuracy in zip(found, (80.0, 78.0, 81.0, 78.0)):
        record['accuracy'] = accuracy
    row = report.section('resnet20', found).splitlines()[-1]
    assert '| `uniform` | 78.00 (78.00 to 78.00) |' in row
    assert '| -2.50 (-3.00 to -2.00) | 0, 1 |' in row
    picture = tmp_path / 'picture.png'
    assert not report.draw('ResNet-20', found, picture)  # nothing to compare
    others = [
        dict(record, arm=arm, accuracy=record['accuracy'] + more)
        for record in found
        if record['arm'] == 'uniform'
        for arm, more in (('dmcp', 1.0), ('layers', 0.5), ('gates', -1.0))
    ]
    assert report.draw('ResNet-20', found + others, picture)
    assert picture.read_bytes().startswith(b'\x89PNG')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_recorded_steps_move_weights_as_others_do(data_root):
    data = training.Images(data_root, device='cuda')
    recipe = training.Recipe(2, 16, 0)
    nets = [networks.ResNetSpace('resnet8').model() for _ in range(2)]
    for net in nets:
        net.load_state_dict(nets[0].state_dict())
    reference = copy.deepcopy(nets[0]).to('cuda').train()
    reference.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(reference.parameters(), training.RATE, **training.SGD)
    numbers = recipe.phase(data, None)
    for number in numbers:
        ratio = training.rate_at(1.0, number / len(numbers))
        optimiser.param_groups[0]['lr'] = training.RATE * ratio
        batch = data.train_batch(recipe.seed, number, recipe.batch)
        with torch.autocast('cuda', dtype=torch.bfloat16):
            loss = reference(**batch, mode='loss')['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    together.train_together(nets, data, recipe)
    wanted = reference.state_dict()
    for net in nets:
        for name, value in net.state_dict().items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-2, atol=1e-3)


def test_batches_depend_on_nothing_but_seed_and_number(data_root):
    data = training.Images(data_root)
    batch = data.train_batch(seed=3, number=11, batch=16)
    again = training.Images(data_root).train_batch(3, 11, 16)
    assert torch.equal(batch['inputs'], again['inputs'])
    other = data.train_batch(seed=3, number=0, batch=16)
    assert not torch.equal(batch['inputs'], other['inputs'])
    data.train_batch(seed=4, number=11, batch=16)  # another order between
    assert torch.equal(data.train_batch(3, 11, 16)['inputs'], batch['inputs'])
