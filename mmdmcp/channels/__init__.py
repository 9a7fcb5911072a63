"""Follow every channel through a model: number, move, join, group."""
