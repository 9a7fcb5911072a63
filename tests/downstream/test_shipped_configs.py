"""The configs of one model fit together: prune, tune on, distil."""

from pathlib import Path

import pytest

from benchmarks.downstream import FULL, TRAININGS, Network
from mmdmcp.preflight.config import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
PRUNING = sorted(
    path
    for path in CONFIGS.glob('*/importance_*.py')
    if path.stem.split('_')[2] not in ('subnet', 'distill')
)


def role(path, name):
    method, network, rest = path.stem.split('_', 2)
    return path.with_name(f'{method}_{network}_{name}_{rest}.py')


@pytest.mark.parametrize('path', PRUNING, ids=lambda path: path.stem)
def test_the_configs_of_a_model_fit_together(path):
    if path.parent.name == 'pose':
        pytest.importorskip('mmpose')
    prune, small, distil = (
        load_config(str(p)) for p in (path, role(path, 'subnet'), role(path, 'distill'))
    )
    *others, hook = prune.custom_hooks
    assert hook.type == 'mmdmcp.ImportanceHook'
    assert small.custom_hooks == distil.custom_hooks == others
    written = f'work_dirs/{path.stem}/IMPORTANCE_SUBNET_{hook.name}.yaml'
    assert small.model.subnet == written
    assert small.model.cfg == prune.model.architecture
    assert small.model.init_cfg.checkpoint == prune.load_from
    assert '://' not in prune.load_from and small.load_from is None
    assert distil.model.student == small.model
    assert distil.model.teacher == small.model.cfg
    assert distil.model.teacher_checkpoint == prune.load_from
    # What is pruned trains as what is distilled does.
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader'):
        assert prune[key] == small[key] == distil[key]
    # Nothing is downloaded that load_from replaces.
    assert not list(checkpoints(prune.model.architecture))


def test_another_seed_of_the_benchmark_reads_its_own_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = Network('full', 1)
    full.place.mkdir(parents=True)
    last = f'{full.place}/epoch_24.pth'
    (full.place / 'last_checkpoint').write_text(last)
    for stage in TRAININGS:
        network = Network(stage, 1)
        cfg = load_config(str(CONFIGS.parent / network.config))
        cfg.merge_from_dict(dict(x.split('=') for x in network.options))
        read = [cfg.load_from, *strings(cfg.model)]
        read = {path for path in read if str(path).startswith('work_dirs/')}
        if network.config == FULL:
            assert read == set()
        elif stage == 'pruned':
            assert read == {last}
        else:
            assert read == {last, str(network.subnet)}
        assert str(network.subnet or full.place).startswith('work_dirs/seed1/')


def strings(node):
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def checkpoints(node):
    if isinstance(node, dict):
        yield from filter(None, (node.get('checkpoint'), node.get('pretrained')))
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from checkpoints(value)
