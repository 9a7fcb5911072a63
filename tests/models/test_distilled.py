"""A student learns from a teacher that is no part of it."""

import copy

import pytest
import torch
import torch.nn.functional as F
from common.small_net import batch, classifier

from mmdmcp import CheckpointError, ConfigError
from mmdmcp.checkpoints import weights_of
from mmdmcp.registry import MODELS

KD = dict(kd=dict(type='mmrazor.KLDivergence', module='head.fc'))


@pytest.fixture
def teacher_file(tmp_path):
    torch.manual_seed(1)
    teacher = MODELS.build(classifier())
    teacher.init_weights()
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=teacher.state_dict()), path)
    return str(path)


def distilled(teacher_file, losses=KD, student=None, **options):
    model = MODELS.build(
        dict(
            type='mmdmcp.DistilledModel',
            student=student or classifier(base_channels=4),
            teacher=classifier(),
            teacher_checkpoint=teacher_file,
            losses=losses,
            **options,
        )
    )
    model.init_weights()
    return model


def losses_of(model):
    data = model.data_preprocessor(batch(), True)
    return data, model(**data, mode='loss')


def test_the_loss_is_the_divergence_from_the_teachers_logits(teacher_file):
    model = distilled(teacher_file)
    data, losses = losses_of(model)
    model.train()
    ours = F.log_softmax(model(data['inputs']), dim=1)
    teacher = MODELS.build(classifier()).eval()
    teacher.load_state_dict(torch.load(teacher_file)['state_dict'])
    with torch.no_grad():
        its = F.softmax(teacher(data['inputs']), dim=1)
    expected = (its * (its.log() - ours)).sum() / len(its)
    torch.testing.assert_close(losses['loss_kd'], expected)
    assert losses['loss'].requires_grad
    parsed, _ = model.parse_losses(losses)
    torch.testing.assert_close(parsed, losses['loss'] + losses['loss_kd'])


def test_a_student_that_is_the_teacher_has_nothing_to_learn(teacher_file):
    model = distilled(teacher_file, student=classifier())
    model.load_state_dict(torch.load(teacher_file)['state_dict'], strict=False)
    model.eval()
    loss = losses_of(model)[1]['loss_kd'].detach()
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_the_teacher_is_no_part_of_the_model(teacher_file):
    model = distilled(teacher_file)
    student = MODELS.build(classifier(base_channels=4))
    assert model.state_dict().keys() == student.state_dict().keys()
    student.load_state_dict(model.state_dict())
    again = distilled(teacher_file)
    again.load_state_dict(student.state_dict())
    for a, b in zip(model.parameters(), again.parameters()):
        assert torch.equal(a, b)
    # A moving average copies the model, not the teacher.
    assert copy.deepcopy(model)._teacher is model._teacher


def test_only_the_student_trains(teacher_file):
    model = distilled(teacher_file).train()
    teacher = model._teacher.model
    before = copy.deepcopy(teacher.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = copy.deepcopy(model.student.state_dict())
    model.parse_losses(losses_of(model)[1])[0].backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    now = model.student.state_dict()
    assert not torch.equal(first['head.fc.weight'], now['head.fc.weight'])


def test_features_of_other_widths_need_an_adapter(teacher_file):
    features = dict(type='mmrazor.PKDLoss', module='backbone.layer3')
    model = distilled(teacher_file, dict(pkd=features))
    with pytest.raises(ConfigError, match=r'losses.pkd.*adapt=True'):
        losses_of(model)
    model = distilled(
        teacher_file, dict(pkd=dict(features, adapt=True)), input_shape=(1, 8, 8)
    )
    assert [(a.in_channels, a.out_channels) for a in model.adapters['pkd']] == [
        (16, 32)
    ]
    losses_of(model)[1]['loss_pkd'].backward()
    assert model.adapters['pkd'][0].weight.grad.abs().sum() > 0
    # A checkpoint is the student's; what taught it stands aside.
    state = model.state_dict()
    student = MODELS.build(classifier(base_channels=4))
    student.load_state_dict(weights_of(dict(state_dict=state)))
    again = distilled(
        teacher_file, dict(pkd=dict(features, adapt=True)), input_shape=(1, 8, 8)
    )
    again.load_state_dict(state)
    for a, b in zip(model.parameters(), again.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    'losses, why',
    [
        (None, 'give one or more by name'),
        (dict(kd=dict(type='mmrazor.KLDivergence')), 'losses.kd.*module, the name'),
        (
            dict(kd=dict(type='mmrazor.KLDivergence', module='head.fcc')),
            "the student has no module 'head.fcc'",
        ),
        (
            dict(kd=dict(type='mmrazor.NoLoss', module='head.fc')),
            'losses.kd.*NoLoss',
        ),
        (
            dict(kd=dict(type='mmrazor.KLDivergence', module='head.fc', taw=3)),
            'losses.kd.*taw',
        ),
    ],
)
def test_losses_that_cant_be_are_named(teacher_file, losses, why):
    with pytest.raises(ConfigError, match=why):
        distilled(teacher_file, losses)


def test_a_teacher_of_other_widths_is_refused(tmp_path):
    path = tmp_path / 'other.pth'
    other = MODELS.build(classifier(base_channels=12))
    torch.save(dict(state_dict=other.state_dict()), path)
    with pytest.raises(CheckpointError, match='teacher_checkpoint.*does not fit'):
        distilled(str(path))
    with pytest.raises(CheckpointError, match="teacher_checkpoint.*can't be loaded"):
        distilled(str(tmp_path / 'none.pth'))


def test_both_see_the_same_images(teacher_file):
    data = dict(type='mmpretrain.ClsDataPreprocessor', mean=[1.0], std=[2.0])
    student = dict(classifier(base_channels=4), data_preprocessor=data)
    with pytest.raises(ConfigError, match=r'data_preprocessor\.mean'):
        distilled(teacher_file, student=student)
