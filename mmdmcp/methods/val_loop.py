"""Validation of a search: named networks, each with its own statistics."""

from collections.abc import Iterator, Sequence

from mmengine.evaluator import Evaluator
from mmengine.runner import ValLoop
from torch import nn
from torch.utils.data import DataLoader

from ..engine.evaluate import (
    MOST_BATCHES,
    evaluate,
    recalibrate,
    same_randomness,
    take_batches,
)
from ..errors import ConfigError, shown
from ..options import number
from ..registry import LOOPS
from .algorithm import PruningAlgorithm


@LOOPS.register_module()
class SearchValLoop(ValLoop):
    """Validates networks of the search by name.

    Each is cut out of the supernet, gets batch-norm statistics of its own
    from training batches, and is evaluated; its metrics carry its name:
    ``max/accuracy/top1``. Of a search for several targets, a network that
    depends on one is validated for each: ``expected_50PERCENT/accuracy/top1``.
    The supernet and the random generators are left
    as they were.

    Args:
        runner: The runner.
        dataloader: Validation data.
        evaluator: Metrics.
        nets: Names of networks, of those that the method can validate:
            ``'max'``, ``'min'``, ``'expected'`` of DMCP.
        recalibration_batches: Training batches for the statistics.
        fp16: As in MMEngine; must be False.

    Raises:
        ConfigError: If an option is of the wrong type or out of range.
    """

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        nets: Sequence[str] = ('max', 'expected'),
        recalibration_batches: int = 16,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        if fp16:
            raise ConfigError(
                'val_cfg: SearchValLoop evaluates in the '
                'precision of the weights; leave fp16 out'
            )
        model = getattr(runner.model, 'module', runner.model)
        known = getattr(model, 'validated', ())
        if not known:
            raise ConfigError(
                f'val_cfg: a {type(model).__name__} has no networks to validate by '
                'name; leave the type SearchValLoop out'
            )
        if (
            not isinstance(nets, (list, tuple))
            or not nets
            or not all(isinstance(net, str) and net in known for net in nets)
        ):
            raise ConfigError(
                f'val_cfg: nets={shown(nets)}; give a list of one or more of {known}'
            )
        number(
            'val_cfg: recalibration_batches',
            recalibration_batches,
            1,
            MOST_BATCHES,
            whole=True,
        )
        self.nets = tuple(nets)
        self.recalibration_batches = recalibration_batches

    def run(self) -> dict:
        """Validate each network in turn."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        algorithm = getattr(self.runner.model, 'module', self.runner.model)
        metrics = {}
        with same_randomness():
            batches = take_batches(
                self.runner.train_dataloader, self.recalibration_batches
            )
            for name, net in _cut(algorithm, self.nets):
                recalibrate(net, batches)
                found = evaluate(net, self.dataloader, self.evaluator)
                metrics.update({f'{name}/{k}': v for k, v in found.items()})
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics


def _cut(
    algorithm: PruningAlgorithm, nets: Sequence[str]
) -> Iterator[tuple[str, nn.Module]]:
    """The networks, each with what its metrics are called by."""
    for name in nets:
        if name not in algorithm.mutator.of_budget:
            yield name, algorithm.cut(name)
            continue
        for _ in algorithm.each_budget():
            tag = algorithm.tag and f'_{algorithm.tag}'
            yield f'{name}{tag}', algorithm.cut(name)
