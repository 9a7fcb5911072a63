"""The commands of docs/downstream.md, as they stand there, on a few photos."""

import re
import shlex
import shutil

import pytest

from mmdmcp.cli import main
from mmdmcp.subnet import Subnet

PAGE = 'docs/downstream.md'
ONE_EPOCH = [
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
    'custom_hooks.1.switch_epoch=0',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.indices=4',
]
TWO_PHOTOS = [
    f'{part}_dataloader.{option}'
    for part in ('val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False', 'dataset.indices=2')
]
#: What makes a command of each verb quick.
QUICK = {
    'train': ['--cfg-options', *ONE_EPOCH, *TWO_PHOTOS],
    'test': ['--cfg-options', *TWO_PHOTOS],
    'export': ['--calibration-images', '2', '--cfg-options', *TWO_PHOTOS],
    'latency': ['--seconds', '0.2'],
}


def commands(page):
    """Arguments of each command of the first task."""
    task = page.split('## I have a trained RTMDet')[1].split('### Your own')[0]
    for block in re.findall('```sh\n(.*?)```', task, re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line)
            if words[0] == 'python':  # tools/train.py is the verb `train`
                yield [words[1][len('tools/') : -len('.py')], *words[2:]]
            else:
                yield words[1:]


@pytest.mark.every_model
def test_a_trained_detector_becomes_a_small_int8_file(
    repo_root, data_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'bccd').symlink_to(data_root / 'bccd')
    done = []
    for verb, *rest in commands((repo_root / PAGE).read_text()):
        assert main([verb, *rest, *QUICK[verb]]) in (0, None), (verb, rest)
        done.append(verb)
        if verb == 'train':  # the page's runs end later
            for last in tmp_path.glob('work_dirs/*/epoch_1.pth'):
                name = 'epoch_24.pth' if last.parent.name[0] == 'r' else 'epoch_12.pth'
                shutil.copy(last, last.with_name(name))
    assert done == ['train', 'train', 'train', 'test', 'export', 'latency']
    (file,) = tmp_path.glob('work_dirs/*/IMPORTANCE_SUBNET_*.yaml')
    subnet = Subnet.load(file)
    assert subnet.cost['macs'] == pytest.approx(subnet.target['macs'], rel=0.01)
    assert {'net.onnx', 'net_int8.onnx'} <= {p.name for p in tmp_path.iterdir()}
    printed = capsys.readouterr().out
    for form in ('PyTorch', 'ONNX', 'int8'):
        assert re.search(rf'^  {form}: .*coco/bbox_mAP', printed, re.MULTILINE)
