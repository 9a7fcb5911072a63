"""What narrow networks learn from the widest one."""

import torch
from torch.distributions import Bernoulli, kl_divergence

from mmdmcp.dmcp.distill import InPlaceDistillation


def test_one_class_is_a_sigmoids():
    """Against torch.distributions, with a gradient to learn from."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 4, 1, 3, 3, generator=generator)
    student.requires_grad_()
    loss = InPlaceDistillation.loss(student, teacher)
    expected = kl_divergence(
        Bernoulli(logits=teacher), Bernoulli(logits=student)
    ).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert student.grad.abs().min() > 0
