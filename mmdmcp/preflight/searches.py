"""Which method a config searches with: its class knows what it needs."""

from collections.abc import Mapping
from typing import Any

from mmengine import registry as root

from ..methods import PruningAlgorithm


def search_class(model: Any, scope: str | None = None) -> type[PruningAlgorithm] | None:
    """The method of a model.

    Args:
        model: Config of a model.
        scope: The config's ``default_scope``; defaults to the current one.

    Returns:
        Its class; None if it does not search, or its type is not registered.
    """
    kind = model.get('type') if isinstance(model, Mapping) else None
    if isinstance(kind, str):
        with root.MODELS.switch_scope_and_registry(scope) as models:
            try:
                kind = models.get(kind)
            except ImportError:  # another package's
                return None
    if isinstance(kind, type) and issubclass(kind, PruningAlgorithm):
        return kind
    return None
