"""The validation data of a config, to calibrate and to evaluate exports with."""

from collections.abc import Mapping
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Subset

from ..engine import evaluate
from ..errors import ConfigError
from ..preflight.config import load_config, set_loader_defaults
from ..preflight.folders import fit_class_folders
from ..preflight.inputs import check_data


class _Part(Subset):
    """Some samples of a data set, with what metrics ask of it."""

    @property
    def metainfo(self) -> Any:
        return getattr(self.dataset, 'metainfo', None)


class Validation:
    """What a config validates with.

    Args:
        config: Path of the config.
        options: Settings to override, by dotted key.

    Attributes:
        loader: Its ``val_dataloader``, on the CPU.

    Raises:
        ConfigError: If it validates nothing.
        DataError: If its data is missing.
    """

    def __init__(self, config: str, options: Mapping | None = None) -> None:
        cfg = load_config(config, options)
        if not cfg.get('val_dataloader') or not cfg.get('val_evaluator'):
            raise ConfigError(
                f'{config} has no val_dataloader and val_evaluator: name a config '
                'that validates'
            )
        self._scope = cfg.get('default_scope') or 'mmengine'
        init_default_scope(self._scope)
        fit_class_folders(cfg)
        set_loader_defaults(cfg, cuda=False)
        check_data(cfg, ('val_dataloader',))
        self.loader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
        self._evaluator = cfg.val_evaluator

    def limit(self, num: int) -> None:
        """Use so many of the samples, evenly spaced: data is often in the
        order of its classes."""
        loader = self.loader
        dataset: Any = loader.dataset
        size = len(dataset)
        if size <= num:
            return
        indices = [i * size // num for i in range(num)]
        self.loader = DataLoader(
            _Part(dataset, indices),
            batch_size=loader.batch_size,
            collate_fn=loader.collate_fn,
        )

    def metrics(self, model: Any) -> dict[str, float]:
        """Metrics of anything that has a model's ``val_step``."""
        init_default_scope(self._scope)
        kind = self._evaluator
        evaluator = Evaluator([kind] if isinstance(kind, Mapping) else list(kind))
        meta = getattr(self.loader.dataset, 'metainfo', None)
        if meta is not None:
            evaluator.dataset_meta = meta
        return evaluate(model, self.loader, evaluator)
