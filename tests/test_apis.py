"""Train and test real runs: a small ResNet on the digits images."""

import json
import pickle
import shutil

import pytest
import torch

from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.errors import CheckpointError, ConfigError, DataError

CONFIG = 'pruning/dmcp/resnet14_digits.py'
SEARCH = 'pruning/dmcp/dmcp_resnet14_supernet_digits.py'
SUBNET = 'pruning/dmcp/dmcp_resnet14_subnet_digits.py'
SMALL = {
    'train_cfg.max_epochs': 1,
    # As long as the longest run below, which goes on from the others.
    'param_scheduler.end': 2,
    'model.backbone.depth': 8,
    'train_dataloader.dataset.indices': 256,
}


def options(**more):
    return {**SMALL, **{k.replace('__', '.'): v for k, v in more.items()}}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The work dir of a run of one epoch."""
    work_dir = tmp_path_factory.mktemp('work dir')
    train(CONFIG, work_dir=str(work_dir), cfg_options=SMALL)
    return work_dir


def test_metrics_and_predictions_are_written(trained, tmp_path):
    checkpoint = str(trained / 'epoch_1.pth')
    metrics = run_test(
        CONFIG,
        checkpoint,
        work_dir=str(tmp_path),
        out=str(tmp_path / 'new' / 'm.json'),
        cfg_options=SMALL,
    )
    assert set(metrics) == {'accuracy/top1'}
    written = json.loads((tmp_path / 'new' / 'm.json').read_text())
    assert written == pytest.approx(metrics)
    run_test(
        CONFIG,
        checkpoint,
        work_dir=str(tmp_path),
        out=str(tmp_path / 'p.pkl'),
        cfg_options=SMALL,
    )
    predictions = pickle.loads((tmp_path / 'p.pkl').read_bytes())
    right = sum(int(p['pred_label']) == int(p['gt_label']) for p in predictions)
    assert len(predictions) == 359
    assert 100 * right / 359 == pytest.approx(metrics['accuracy/top1'])


def test_out_must_say_which(trained):
    with pytest.raises(ConfigError, match='.json for metrics'):
        run_test(CONFIG, str(trained / 'epoch_1.pth'), out='results.txt')


def test_resume_goes_on_from_the_latest(trained, tmp_path):
    """The resumed run stands where the one that never stopped stands."""
    whole = train(
        CONFIG,
        work_dir=str(tmp_path),
        cfg_options=options(train_cfg__max_epochs=2, experiment_name='whole'),
    )
    resumed = train(
        CONFIG,
        work_dir=str(trained),
        resume='auto',
        cfg_options=options(train_cfg__max_epochs=2),
    )
    assert resumed.cfg.load_from == str(trained / 'epoch_1.pth')
    log = max(trained.glob('*/*.log')).read_text()
    assert 'Epoch(train) [2]' in log and 'Epoch(train) [1]' not in log
    assert resumed.iter == whole.iter == 8
    assert resumed.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()


def test_first_start_with_resume_keeps_pretrained_weights(trained, tmp_path):
    """A job that can be requeued is always started with --resume."""
    pretrained = trained / 'epoch_1.pth'
    runner = train(
        CONFIG,
        work_dir=str(tmp_path),
        resume='auto',
        cfg_options=options(
            load_from=str(pretrained), optim_wrapper__optimizer__lr=1e-12
        ),
    )
    weights = torch.load(pretrained, weights_only=True)['state_dict']
    torch.testing.assert_close(
        runner.model.state_dict()['head.fc.weight'], weights['head.fc.weight']
    )
    assert runner.epoch == 1  # started at 0: nothing but weights was taken


def test_amp_on_cpu_trains(tmp_path):
    runner = train(CONFIG, work_dir=str(tmp_path), amp=True, cfg_options=SMALL)
    assert type(runner.optim_wrapper).__name__ == 'CPUAmpOptimWrapper'
    assert all(
        p.isfinite().all() and p.dtype == torch.float32
        for p in runner.model.parameters()
    )
    (log,) = tmp_path.glob('*/*.log')
    assert 'mixed precision uses bfloat16' in log.read_text()


def test_no_validate(tmp_path):
    runner = train(CONFIG, work_dir=str(tmp_path), validate=False, cfg_options=SMALL)
    assert runner.val_loop is None


def test_auto_scale_lr(tmp_path):
    with pytest.raises(ConfigError, match='auto_scale_lr.base_batch_size=N'):
        train(
            CONFIG,
            work_dir=str(tmp_path),
            auto_scale_lr=True,
            cfg_options=dict(auto_scale_lr=None),
        )
    runner = train(
        CONFIG,
        work_dir=str(tmp_path),
        auto_scale_lr=True,
        cfg_options=options(
            auto_scale_lr__base_batch_size=128, optim_wrapper__optimizer__lr=0.1
        ),
    )
    # The config's batch is 64.
    (group,) = runner.optim_wrapper.param_groups
    assert group['initial_lr'] == pytest.approx(0.05)


@pytest.mark.parametrize(
    'error, arguments',
    [
        (
            DataError,
            dict(cfg_options={'train_dataloader.dataset.data_root': 'no/where'}),
        ),
        (CheckpointError, dict(resume='no.pth')),
        (CheckpointError, dict(cfg_options=dict(load_from='no.pth'))),
        (
            CheckpointError,
            dict(
                cfg_options={
                    'model.backbone.init_cfg': dict(
                        type='Pretrained', checkpoint='no.pth'
                    )
                }
            ),
        ),
        (ConfigError, dict(cfg_options={'modl.depth': 3})),
    ],
)
def test_mistakes_are_found_before_anything_is_built(tmp_path, error, arguments):
    with pytest.raises(error):
        train(CONFIG, work_dir=str(tmp_path / 'work'), **arguments)
    assert not (tmp_path / 'work').exists()


def test_a_work_dir_that_can_not_be_written_to(tmp_path, monkeypatch):
    """Not the traceback of the first log file in it."""
    monkeypatch.setattr('os.access', lambda path, mode: False)
    with pytest.raises(ConfigError, match="can't be written to"):
        train(CONFIG, work_dir=str(tmp_path), cfg_options=SMALL)
    assert not list(tmp_path.iterdir())


def test_results_that_could_not_be_written_are_not_computed(trained, tmp_path):
    (tmp_path / 'file').touch()
    for out in ('file/a.json', 'file/a.pkl'):
        with pytest.raises(ConfigError, match=f'--out .*{out}: the folder'):
            run_test(
                CONFIG,
                str(trained / 'epoch_1.pth'),
                work_dir=str(tmp_path / 'work'),
                out=str(tmp_path / out),
                cfg_options=SMALL,
            )
    assert not (tmp_path / 'work').exists()


def test_test_looks_for_its_checkpoint_and_data(tmp_path, trained):
    with pytest.raises(CheckpointError, match='no.pth'):
        run_test(CONFIG, 'no.pth')
    with pytest.raises(DataError, match='test_dataloader'):
        run_test(
            CONFIG,
            str(trained / 'epoch_1.pth'),
            cfg_options={'test_dataloader.dataset.data_root': 'no/where'},
        )


def test_no_accuracy_for_weights_that_do_not_fit(trained, tmp_path):
    checkpoint = str(trained / 'epoch_1.pth')
    for change in (
        dict(model__backbone__depth=14),
        dict(model__backbone__base_channels=(8, 16, 64)),
    ):
        with pytest.raises(CheckpointError, match='config.* of its training'):
            run_test(
                CONFIG,
                checkpoint,
                work_dir=str(tmp_path),
                cfg_options=options(**change),
            )


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A config that retrains a small network, and the options it needs."""
    folder = tmp_path_factory.mktemp('small')
    search = narrowest(SEARCH, cfg_options={'model.architecture.backbone.depth': 8})
    search.save(folder / 'DMCP_SUBNET.yaml')
    options = {
        key.replace('model.', 'model.cfg.'): value for key, value in SMALL.items()
    }
    return SUBNET, {**options, 'model.subnet': str(folder / 'DMCP_SUBNET.yaml')}


def narrowest(config, cfg_options):
    """The narrowest subnet of a search."""
    from mmengine.registry import init_default_scope

    from mmdmcp.preflight.config import load_config
    from mmdmcp.registry import MODELS

    cfg = load_config(config, cfg_options)
    init_default_scope(cfg.default_scope)
    model = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    return MODELS.build(model).export_subnet('min')


def test_retraining_starts_from_weights_that_fit(trained, small, tmp_path):
    config, settings = small
    with pytest.raises(CheckpointError, match='load_from .*subnet file'):
        train(
            config,
            work_dir=str(tmp_path),
            cfg_options=dict(settings, load_from=str(trained / 'epoch_1.pth')),
        )
    with pytest.raises(CheckpointError, match='model.subnet=.*DMCP_SUBNET'):
        run_test(
            config,
            str(trained / 'epoch_1.pth'),
            work_dir=str(tmp_path),
            cfg_options=settings,
        )


def test_a_search_starts_from_weights_that_fit(trained, tmp_path):
    with pytest.raises(CheckpointError, match='load_from .*plain network'):
        train(
            SEARCH,
            work_dir=str(tmp_path),
            cfg_options={
                'model.architecture.backbone.depth': 14,
                'load_from': str(trained / 'epoch_1.pth'),
            },
        )


def test_only_the_same_run_is_resumed(trained, tmp_path):
    checkpoint = str(trained / 'epoch_1.pth')
    for change in (
        dict(train_dataloader__batch_size=32),
        dict(model__backbone__base_channels=(8, 16, 64)),
    ):
        with pytest.raises(CheckpointError, match='another --work-dir'):
            train(
                CONFIG,
                work_dir=str(tmp_path),
                resume=checkpoint,
                cfg_options=options(**change),
            )
    with pytest.raises(CheckpointError, match='model.type='):
        train(
            SEARCH,
            work_dir=str(tmp_path),
            resume=checkpoint,
            cfg_options={'model.architecture.backbone.depth': 8},
        )


def test_a_requeued_run_needs_no_pretrained_weights(trained, tmp_path):
    shutil.copy(trained / 'epoch_1.pth', tmp_path)
    runner = train(
        CONFIG,
        work_dir=str(tmp_path),
        resume='auto',
        cfg_options=options(load_from='moved.pth'),
    )
    assert runner.epoch == 1
    with pytest.raises(CheckpointError, match='load_from.*moved.pth'):
        train(
            CONFIG,
            work_dir=str(tmp_path / 'new'),
            resume='auto',
            cfg_options=options(load_from='moved.pth'),
        )
