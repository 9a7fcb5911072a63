"""Hooks of other packages reach into the model as if it did not search."""

import copy
from types import SimpleNamespace

import pytest
from common.small_net import classifier
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier

from mmdmcp.registry import MODELS


class Classifier(ImageClassifier):
    """A host with what hooks of mmdet ask of theirs."""

    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch


@pytest.fixture(params=['DMCP', 'TrainableGate'])
def algorithm(request):
    init_default_scope('mmpretrain')
    cfg = dict(classifier(), type=Classifier)
    return MODELS.build(
        dict(
            type=f'mmdmcp.{request.param}',
            architecture=cfg,
            target='50%',
            input_shape=(1, 8, 8),
        )
    )


def test_hooks_find_what_they_look_for(algorithm):
    runner = SimpleNamespace(model=algorithm, epoch=3)
    runner.model.set_epoch(runner.epoch)  # as SetEpochInfoHook
    runner.model.head.use_l1 = True  # as YOLOXModeSwitchHook
    assert algorithm.architecture.epoch == 3
    assert algorithm.architecture.head.use_l1
    assert algorithm.backbone is algorithm.architecture.backbone


def test_what_says_what_kind_of_object_it_is_is_its_own(algorithm):
    algorithm.architecture.module = algorithm.architecture._private = 1
    assert not hasattr(algorithm, 'module') and not hasattr(algorithm, '_private')
    assert getattr(algorithm, 'module', algorithm) is algorithm
    names = [name for name, _ in algorithm.named_children()]
    assert 'backbone' not in names


def test_nothing_of_that_name(algorithm):
    kind = type(algorithm).__name__
    with pytest.raises(
        AttributeError, match=f'neither {kind} nor its arch.*Classifier'
    ):
        algorithm.no_such_thing


def test_it_is_copied_as_before(algorithm):
    other = copy.deepcopy(algorithm)
    assert other.backbone is other.architecture.backbone
    assert other.backbone is not algorithm.backbone
    assert other.state_dict().keys() == algorithm.state_dict().keys()
