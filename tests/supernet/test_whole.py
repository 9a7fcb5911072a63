"""What is left whole is said in one line, by the reason."""

import pytest
from torch import nn

from mmdmcp.errors import TargetError
from mmdmcp.registry import MODELS
from mmdmcp.supernet import Supernet


class Net(nn.Module):
    """Five layers whose channels an operation ties to all others."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.tied = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(5))
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        x = self.first(x)
        for layer in self.tied:
            x = layer(x)
            x = x + x.roll(1, 1)
        return self.last(x)


def test_reasons_once_with_their_units():
    text = Supernet(Net(), (3, 8, 8)).whole_summary(most=2)
    assert text == (
        'tied.0, tied.1 and 3 more (its channels are all tied to one another '
        "(add)); last (its channels are the model's output)"
    )


def test_an_unreachable_target_says_what_is_left_whole():
    class Backbone(Net):
        def forward(self, x):
            return (super().forward(x),)

    MODELS.register_module(module=Backbone, force=True)
    with pytest.raises(TargetError, match=r'kept whole are .*tied\.0.*\(add in'):
        MODELS.build(
            dict(
                type='mmdmcp.DMCP',
                architecture=dict(
                    type='mmpretrain.ImageClassifier',
                    backbone=dict(type='mmdmcp.Backbone'),
                    neck=dict(type='mmpretrain.GlobalAveragePooling'),
                    head=dict(
                        type='mmpretrain.LinearClsHead', num_classes=2, in_channels=3
                    ),
                ),
                target='20%',
                input_shape=(3, 8, 8),
            )
        )
