"""A checkpoint behind a URL is as safe as a file."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint
from torch import nn

import mmdmcp.registry  # noqa: F401
from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.checkpoints.fetch import downloaded, fetch
from mmdmcp.errors import CheckpointError

ROOT = Path(__file__).parents[2]
SEARCH = str(ROOT / 'tests' / 'faults' / 'search_config.py')
PLAIN = str(ROOT / 'configs' / 'pruning' / 'dmcp' / 'resnet14_digits.py')


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Handler(SimpleHTTPRequestHandler):
    asked: list = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == '/half.pth':
            self.send_response(200)
            self.send_header('Content-Length', '1000')
            self.end_headers()
            self.wfile.write(b'x' * 500)
            return
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a folder ``www``, and downloads that start from none."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('NO_PROXY', '*')
    (tmp_path / 'www').mkdir()
    Handler.asked = []
    handler = partial(Handler, directory=str(tmp_path / 'www'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_address[1]}'
        httpd.shutdown()


@pytest.fixture
def malicious(tmp_path, server):
    """Its URL; nothing in it may have been executed."""
    trap = tmp_path / 'executed'
    torch.save(
        dict(
            state_dict={},
            optimizer={},
            meta=dict(epoch=1, iter=9),
            message_hub=Payload(trap),
        ),
        tmp_path / 'www' / 'epoch_1.pth',
    )
    yield f'{server}/epoch_1.pth'
    assert not trap.exists()


REFUSED = pytest.raises(CheckpointError, match=r'http://.*epoch_1.pth .*run code')


def test_to_resume_from(tmp_path, malicious):
    with REFUSED:
        train(SEARCH, resume=malicious, work_dir=str(tmp_path / 'w'))


def test_to_start_from(tmp_path, malicious):
    with REFUSED:
        train(
            SEARCH,
            work_dir=str(tmp_path / 'w'),
            cfg_options=dict(load_from=malicious),
        )


@pytest.mark.parametrize('place', ['', 'architecture.', 'architecture.backbone.'])
def test_to_initialise_from(tmp_path, malicious, place):
    init_cfg = dict(type='Pretrained', checkpoint=malicious)
    with REFUSED:
        train(
            SEARCH,
            work_dir=str(tmp_path / 'w'),
            cfg_options={f'model.{place}init_cfg': init_cfg},
        )


def test_to_test(tmp_path, malicious):
    with REFUSED:
        run_test(PLAIN, malicious, work_dir=str(tmp_path / 'w'))


@pytest.mark.parametrize('prefix', [None, 'backbone.'])
def test_outside_of_our_own_commands(malicious, prefix):
    """Whatever MMEngine loads once a type of this package is registered."""
    module = BaseModule(dict(type='Pretrained', checkpoint=malicious, prefix=prefix))
    with REFUSED:
        module.init_weights()
    with REFUSED:
        load_checkpoint(nn.Linear(1, 1), malicious)


@pytest.mark.parametrize('scheme', ['open-mmlab', 'openmmlab', 'mmcls', 'torchvision'])
def test_behind_the_names_of_model_zoos(malicious, scheme, monkeypatch):
    from mmengine.runner import checkpoint

    for table in ('external', 'mmcls', 'torchvision'):
        monkeypatch.setattr(
            checkpoint, f'get_{table}_models', lambda: dict(net=malicious)
        )
    with REFUSED:
        load_checkpoint(nn.Linear(1, 1), f'{scheme}://net')


def test_a_good_one_is_the_file(tmp_path, server):
    model = nn.Linear(3, 2)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'www' / 'a.pth')
    found = nn.Linear(3, 2)
    load_checkpoint(found, f'{server}/a.pth')
    assert torch.equal(found.weight, model.weight)


def test_it_is_downloaded_once(tmp_path, server):
    path = tmp_path / 'www' / 'a.pth'
    path.write_bytes(b'one')
    assert fetch(f'{server}/a.pth').read_bytes() == b'one'
    assert fetch(f'{server}/a.pth').read_bytes() == b'one'
    assert Handler.asked == ['/a.pth']


def test_names_tell_contents_apart(tmp_path, server):
    """Every run has an ``epoch_40.pth``; a model zoo's name says what it is,
    and is found where torch has put it."""
    for run in 'ab':
        (tmp_path / 'www' / run).mkdir()
        (tmp_path / 'www' / run / 'epoch_40.pth').write_bytes(run.encode())
        assert fetch(f'{server}/{run}/epoch_40.pth').read_bytes() == run.encode()
    zoo = downloaded('https://x.org/resnet18_8xb32_in1k_20210831-fbbb1da6.pth')
    assert (
        zoo
        == tmp_path / 'home/hub/checkpoints/resnet18_8xb32_in1k_20210831-fbbb1da6.pth'
    )


@pytest.mark.parametrize(
    'name, words', [('half.pth', 'ended after 500 of 1000'), ('none.pth', '404')]
)
def test_what_is_not_whole_is_not_kept(server, name, words):
    with pytest.raises(CheckpointError, match=words):
        fetch(f'{server}/{name}')
    folder = downloaded(f'{server}/{name}').parent
    assert not folder.exists() or not os.listdir(folder)


@pytest.mark.parametrize('url', ['http://127.0.0.1:9/a.pth', 'http://:x/a', 'http://'])
def test_a_server_that_is_not_there(url, server):
    with pytest.raises(CheckpointError, match=r"can't be downloaded.*network"):
        fetch(url)


def test_weights_for_the_other_commands(tmp_path, server, malicious):
    """Those of a teacher, and of what is exported."""
    from mmdmcp.deploy.models import load_weights

    model, found = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save(model.state_dict(), tmp_path / 'www' / 'a.pth')
    load_weights(found, f'{server}/a.pth')
    assert torch.equal(found.weight, model.weight)
    with REFUSED:
        load_weights(found, malicious)
