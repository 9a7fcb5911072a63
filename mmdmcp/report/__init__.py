"""Tables and plots of what a search did."""

from .tables import candidate_table, network_table, preflight_table, render

__all__ = ['candidate_table', 'network_table', 'preflight_table', 'render']
