"""The number at which a budget is used up."""

from collections.abc import Callable


def used_up_at(
    used: Callable[[float], float], low: float, high: float, steps: int = 80
) -> float:
    """By bisection: what is used grows from one end to the other.

    Args:
        used: What of a budget is used at a number; 1 is all of it.
        low: The end where least is used.
        high: The other one, above or below.
        steps: Halvings of the interval.

    Returns:
        The last number found to be within the budget; ``low`` if none is, and
        next to ``high`` where even that leaves some.
    """
    for _ in range(steps):
        middle = (low + high) / 2
        if used(middle) > 1:
            high = middle
        else:
            low = middle
    return low
