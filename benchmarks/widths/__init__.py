"""Searches judged by tables of trained networks; see :mod:`.__main__`."""
