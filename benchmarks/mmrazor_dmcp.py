"""mmrazor's own DMCP, its import repaired, by its config for ResNet-50."""

import copy
from typing import Any

from torch import nn

from mmdmcp import compat


def build(
    architecture: dict | nn.Module, logits: str, size: int, **options: Any
) -> Any:
    """The algorithm.

    Args:
        architecture: The full network, or its config.
        logits: Name of the layer that distillation reads.
        size: Height and width of the images that its units are found with.
        options: What differs from the config; of the mutator, ``pruning_cfg``.
    """
    compat.repair_mmrazor()
    import mmrazor.models  # noqa: F401
    from mmrazor.registry import MODELS

    grid = {k: options.pop(k) for k in ('pruning_cfg',) if k in options}
    recorders = dict(fc=dict(type='ModuleOutputs', source=logits))
    kl = dict(type='mmrazor.KLDivergence', tau=1, loss_weight=1)
    of = dict(
        preds_S=dict(recorder='fc', from_student=True),
        preds_T=dict(recorder='fc', from_student=False),
    )
    settings = dict(
        type='mmrazor.DMCP',
        architecture=architecture,
        distiller=dict(
            type='mmrazor.ConfigurableDistiller',
            teacher_recorders=recorders,
            student_recorders=copy.deepcopy(recorders),
            distill_losses=dict(loss_kl=kl),
            loss_forward_mappings=dict(loss_kl=of),
        ),
        mutator_cfg=dict(
            type='mmrazor.DMCPChannelMutator',
            channel_unit_cfg=dict(
                type='DMCPChannelUnit', default_args=dict(choice_mode='number')
            ),
            parse_cfg=dict(
                type='ChannelAnalyzer',
                demo_input=(1, 3, size, size),
                tracer_type='BackwardTracer',
            ),
            **grid,
        ),
        strategy=['max', 'min', 'scheduled_random', 'arch_random'],
        flop_loss_weight=0.1,
    )
    return MODELS.build({**settings, **options})
