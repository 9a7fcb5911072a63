#!/usr/bin/env python
"""Draw how the methods work, for their pages: tools/method_pictures.py FOLDER.

The curves are those of the package's own functions.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The package of this checkout, installed or not, as tools/train.py does.
sys.path[0] = str(ROOT)

import torch

from mmdmcp.dmcp.budget import budget_loss
from mmdmcp.dmcp.markov import Chains
from mmdmcp.gate.gate import gate
from mmdmcp.report.style import COLOURS, INK, new_figure, percent_axis, save

CHANNELS, GROUPS = 64, 9


def main() -> int:
    """Draw the pictures; return the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw, title in (
        ('chain', draw_chain, 'the probabilities of three chains'),
        ('budget_loss', draw_budget, 'the budget loss over the expected cost'),
        ('gate', draw_gate, 'value and gradient of a gate'),
    ):
        save(draw(), folder / f'{name}.svg', title)
        print(f'wrote {folder / name}.svg')
    return 0


def draw_chain():
    """P(group kept) of a unit of 64 channels, for three settings of its chain."""
    widths = [round(CHANNELS * (g + 1) / (GROUPS + 1)) for g in range(GROUPS + 1)]
    chains = Chains([widths], 'sigmoid')
    settings = {
        'undecided: all logits 1.5': torch.full((1, GROUPS), 1.5),
        'decided: keep 45': torch.tensor([[8.0] * 6 + [-8.0] * 3]),
        'undecided: all logits 2.4': torch.full((1, GROUPS), 2.4),
    }
    with new_figure(2.6) as figure:
        axes = figure.subplots()
        for colour, (label, alpha) in zip(COLOURS, settings.items()):
            kept = [1.0, *chains.marginals(alpha)[0].tolist()]
            expected = float(chains.expected(alpha)[0])
            axes.stairs(kept, [0, *widths], color=colour, linewidth=1.5, label=label)
            axes.axvline(expected, color=colour, ls=':', linewidth=1)
        axes.set_xlabel('channel of the unit; dotted: the expected width')
        axes.set_ylabel('probability to be kept')
        axes.set_ylim(0, 1.05)
        percent_axis(axes.yaxis)
        axes.legend(loc='lower left')
    return figure


def draw_budget():
    """The loss around a target of 100 M FLOPs."""
    costs = torch.linspace(60, 140, 801).double()
    losses = [float(budget_loss(cost * 1e6, 100e6)) for cost in costs]
    with new_figure(2.2) as figure:
        axes = figure.subplots()
        axes.plot(costs / 100, losses, color=COLOURS[0])
        axes.axvline(1, color=INK, ls=':', linewidth=0.8)
        axes.axvspan(0.95, 1, color=INK, alpha=0.1, linewidth=0)
        axes.set_xlabel('expected cost, of the target; grey: the dead zone')
        axes.set_ylabel('budget loss')
        percent_axis(axes.xaxis)
    return figure


def draw_gate():
    """What a gate passes on, forward and backward."""
    with new_figure(2.5) as figure:
        axes = figure.subplots()
        points = torch.linspace(-2, 2, 401)
        value = gate(points).tolist()
        axes.plot(points, value, color=INK, linewidth=1.2, label='value')
        for colour, shape in zip(COLOURS, ('constant', 'triangle', 'sigmoid')):
            w = points.clone().requires_grad_()
            gate(w, shape).sum().backward()
            axes.plot(points, w.grad, '--', color=colour, label=f'gradient, {shape}')
        axes.set_xlabel('w, the parameter of the gate')
        figure.legend(loc='outside upper left', ncols=2)
    return figure


if __name__ == '__main__':
    sys.exit(main())
