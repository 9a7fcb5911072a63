"""The gate function: its value is a choice, its gradient a shape."""

import math

import pytest
import torch

from mmdmcp.gate.gate import SHAPES, gate

W = torch.tensor([-2.30003, -0.41007, -1.3e-3, 1.3e-3, 0.37003, 1.90007])
#: g and its derivative, written down once more.
CLOSED_FORM = {
    'constant': (lambda w: 1.0, lambda w: 0.0),
    'triangle': (
        lambda w: max(0.0, 1 - abs(w)),
        lambda w: 0.0 if abs(w) > 1 else -math.copysign(1.0, w),
    ),
    'sigmoid': (
        lambda w: 1 / math.cosh(w / 2) ** 2,
        lambda w: -math.tanh(w / 2) / math.cosh(w / 2) ** 2,
    ),
}


def literal_gate(w, shape='constant', magnification=1e5):
    """f(w) as it is written, differentiated by autograd: the reference."""
    w = w.float() if w.dtype in (torch.float16, torch.bfloat16) else w
    saw = (magnification * w - (magnification * w).floor()) / magnification
    return (w > 0).to(w.dtype) + saw * SHAPES[shape](w)


def gradient(function, w):
    w = w.clone().requires_grad_()
    function(w).sum().backward()
    return w.grad


@pytest.mark.parametrize('shape', SHAPES)
def test_value_is_zero_or_one_for_practical_purposes(shape):
    assert gate(W, shape).tolist() == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-5)
    assert gate(torch.zeros(1), shape).item() < 1e-5


def test_a_closed_gate_is_not_exactly_zero():
    """A ReLU passes no gradient at zero: the loss could not open it again.
    Not even where M * w is whole and the saw-tooth zero."""
    w = torch.tensor([-0.5, -1.0, -2.0], requires_grad=True)
    assert (literal_gate(w) == 0).all() and (gate(w) > 0).all()
    torch.relu(gate(w) * torch.tensor([3.0, -3.0, 2.0])).sum().backward()
    assert w.grad.tolist() == [3, 0, 2]


@pytest.mark.parametrize('shape', SHAPES)
def test_gradient_is_the_shape(shape):
    expected = [CLOSED_FORM[shape][0](w) for w in W.tolist()]
    assert gradient(lambda w: gate(w, shape), W).tolist() == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('magnification', [1e3, 1e5, 1e6])
def test_literal_form_is_within_one_over_m(shape, magnification):
    limit = gate(W.double(), shape, magnification)
    literal = literal_gate(W.double(), shape, magnification)
    assert ((literal - limit).abs() < 1 / magnification).all()
    slope, limit_slope = (
        gradient(f, W.double())
        for f in (
            lambda w: literal_gate(w, shape, magnification),
            lambda w: gate(w, shape, magnification),
        )
    )
    assert ((slope - limit_slope).abs() <= 1 / magnification).all()


@pytest.mark.parametrize('shape', SHAPES)
def test_literal_gradient_is_the_slope_of_its_own_value(shape):
    """f' = g + s_M g', and a finite difference inside a tooth sees it."""
    m, step = 1e3, 1e-7
    # Away from the teeth's edges, where the value jumps by 1 / M.
    w = torch.tensor([-0.7004, -0.2503, 0.1506, 0.4007], dtype=torch.float64)
    found = gradient(lambda w: literal_gate(w, shape, m), w)
    difference = (
        literal_gate(w + step, shape, m) - literal_gate(w - step, shape, m)
    ) / (2 * step)
    assert torch.allclose(found, difference, atol=1e-6)
    g, slope = CLOSED_FORM[shape]
    for value, derivative in zip(w.tolist(), found.tolist()):
        saw = (m * value - math.floor(m * value)) / m
        assert derivative == pytest.approx(g(value) + saw * slope(value))


def test_the_leak_is_half_a_tooth():
    w = torch.tensor([-0.3, 0.3], dtype=torch.float64)
    assert gate(w, 'constant', 1e4).tolist() == pytest.approx(
        [5e-5, 1 + 5e-5], abs=1e-12
    )


@pytest.mark.parametrize('function', [gate, literal_gate])
def test_float64_stays_float64(function):
    assert function(W.double(), 'sigmoid').dtype == torch.float64
    assert gradient(lambda w: function(w, 'sigmoid'), W.double()).dtype == torch.float64


@pytest.mark.parametrize('function', [gate, literal_gate])
def test_autocast_changes_nothing(function):
    plain = function(W, 'sigmoid')
    slope = gradient(lambda w: function(w, 'sigmoid'), W)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = function(W, 'sigmoid')
        autocast = gradient(lambda w: function(w, 'sigmoid'), W)
    assert value.dtype == torch.float32 and torch.equal(value, plain)
    assert torch.equal(autocast, slope)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('function', [gate, literal_gate])
def test_half_precision_gates_are_finite(function, dtype):
    """1e5 is infinite in float16, and infinity minus infinity no number."""
    value = function(W.to(dtype), 'constant')
    assert value.dtype == torch.float32
    assert torch.allclose(value, gate(W), atol=1e-4)


def test_the_incoming_gradient_is_passed_on():
    w = W.clone().requires_grad_()
    weights = torch.arange(6.0)
    (gate(w, 'triangle') * weights).sum().backward()
    assert torch.allclose(w.grad, weights * (1 - W.abs()).clamp(min=0))
