"""mmrazor's own DMCP, with its import repaired.

What can be measured of it in the same terms: an iteration without and with
an update of the chains, and its expected cost. Its train step is used as it
is, with the settings of its shipped ResNet-50 config; only the iteration
number is set, so that distillation and the chains have begun.
"""

import logging

import mmrazor_dmcp
import models
import torch
from clock import Clock
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict

_PIECES = ('peer_stage1', 'peer_with_chains', 'peer_expected_cost', 'peer_draw')


class Peer:
    """mmrazor's DMCP on one of the networks.

    Args:
        name: Name of the network.
        size: Height and width of the images.
        data: A batch.
    """

    def __init__(self, name: str, size: int, data: dict) -> None:
        self.data = data
        self.failures: dict[str, str] = {}
        MMLogger.get_current_instance().setLevel(logging.ERROR)
        self.algorithm = mmrazor_dmcp.build(
            models.config(name),
            'head.fc',
            size,
            arch_start_train=1000,
            arch_train_freq=500,
            distillation_times=0,
            target_flops=models_target(name, size),
        ).train()
        self.wrapper = OptimWrapperDict(
            architecture=models.Setting().optimiser(self.algorithm.architecture),
            mutator=OptimWrapper(
                torch.optim.SGD(self.algorithm.mutator.parameters(), 1e-9)
            ),
        )

    def measure(self, clock: Clock) -> None:
        """Time each piece once."""
        work = (
            lambda: self._step(501),
            lambda: self._step(1500),
            self._expected_cost,
            lambda: self.algorithm.set_subnet('random'),
        )
        for piece, do in zip(_PIECES, work):
            if piece in self.failures:
                continue
            try:
                clock.time(piece, do)
            except Exception as error:  # what fails there is part of the tale
                self.failures[piece] = f'{type(error).__name__}: {error}'

    def ratios(self, clock: Clock) -> dict[str, object]:
        """Each piece in plain steps, or why it could not be measured."""
        return {
            piece[len('peer_') :]: self.failures.get(piece)
            or clock.ratio(piece, 'plain_of_peer')
            for piece in _PIECES
        }

    def _step(self, iteration: int) -> None:
        """A train step; its chains train at multiples of 500 after 1000."""
        MessageHub.get_current_instance().update_info('iter', iteration)
        self.algorithm.arch_train = False
        self.algorithm.train_step(self.data, self.wrapper)

    def _expected_cost(self) -> None:
        self.algorithm.set_subnet(mode='expected', arch_train=False)
        cost = self.algorithm.calc_current_flops()
        cost.backward()


def models_target(name: str, size: int) -> float:
    """Half of the network's cost, in millions."""
    from torch.utils.flop_counter import FlopCounterMode

    model = models.Setting().build(name).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    return counter.get_total_flops() / 2 / 2 / 1e6
