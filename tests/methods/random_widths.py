"""A method of one's own, in one module: widths at random, the best is kept.

Every iteration trains the weights of one network of random widths. At the
end several networks that cost what they should are evaluated.
"""

import torch
from mmengine.registry import HOOKS, MODELS

from mmdmcp.engine import evaluate, recalibrate, same_randomness, take_batches
from mmdmcp.methods import (
    ChannelMutator,
    PruningAlgorithm,
    Schedule,
    SearchHook,
    accumulate,
    finish,
)
from mmdmcp.report import preflight_table


@MODELS.register_module()
class RandomWidthsMutator(ChannelMutator):
    """Draws widths: one ratio for all units, and some of it for each."""

    networks = ('max', 'min', 'random')

    def named(self, network):
        if network != 'random':
            return super().named(network)
        common, *own = torch.rand(1 + len(self.units), generator=self.generator)
        return [
            max(1, round(float(0.7 * common + 0.3 * ratio) * unit.num_channels))
            for unit, ratio in zip(self.units, own)
        ]


@MODELS.register_module()
class RandomWidths(PruningAlgorithm):
    """Trains networks of random widths.

    Args:
        architecture: The model to prune.
        target: What the result may cost.
        narrow_from: When the networks begin to be narrow: a ratio of the
            search or an iteration.
    """

    method = 'random_widths'
    default_mutator = 'RandomWidthsMutator'
    hook = 'RandomWidthsHook'
    trains_mutator = False
    validated = ('max', 'random')

    def __init__(
        self,
        architecture=None,
        target=None,
        mutator=None,
        input_shape=(3, 224, 224),
        narrow_from=0.25,
        tolerance=0.02,
        data_preprocessor=None,
        init_cfg=None,
    ):
        super().__init__(
            architecture,
            target,
            mutator,
            Schedule(),
            input_shape,
            tolerance,
            data_preprocessor,
            init_cfg,
        )
        self.narrow_from = narrow_from

    def train_step(self, data, optim_wrapper):
        schedule = self.schedule
        schedule.require_length(self.hook)
        narrow = schedule.iteration >= schedule.iteration_at(self.narrow_from)
        self.set_widths('random' if narrow else 'max')
        data = self.data_preprocessor(data, True)
        with optim_wrapper.optim_context(self):
            losses = self.architecture(**data, mode='loss')
            loss, log = self.parse_losses(losses)
        accumulate(optim_wrapper, loss)
        finish(optim_wrapper, self.architecture.parameters())
        schedule.advance()
        return dict(log, channels=torch.tensor(sum(self.mutator.selections)).float())


@HOOKS.register_module()
class RandomWidthsHook(SearchHook):
    """Writes the best of ``num`` networks that cost what they should."""

    def __init__(self, name=None, num=3):
        super().__init__(name)
        self.num = num

    def before_train(self, runner):
        super().before_train(runner)
        runner.logger.info('\n' + preflight_table(self._algorithm(runner)))

    def after_train(self, runner):
        algorithm, scores = self._algorithm(runner), {}
        with same_randomness():
            batches = take_batches(runner.train_dataloader, 2)
            while len(scores) < self.num:
                widths = algorithm.mutator.choose('random')
                cost = algorithm.mutator.cost_of(widths)
                if algorithm.budget.gap(cost) > algorithm.tolerance:
                    continue
                net = algorithm.cut(widths)
                recalibrate(net, batches)
                loop = runner.val_loop
                (score, *_) = evaluate(net, loop.dataloader, loop.evaluator).values()
                scores[tuple(widths)] = score, net.state_dict()
        best = max(scores, key=lambda widths: scores[widths][0])
        self.export(runner, best, scores[best][1])
