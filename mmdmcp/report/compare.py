"""Several subnets of one network side by side."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ..subnet import Subnet
from .page import Folded, Grid, Page, Picture, Section
from .plots import draw_widths, require_same_network
from .tables import quantity, render


def comparison_table(subnets: Sequence[Subnet], labels: Sequence[str]) -> str:
    """What each costs, relative to the first, as text.

    Raises:
        SubnetError: If they are of different networks.
    """
    require_same_network(subnets)
    table = Table(title='Subnets of one network')
    table.add_column('subnet')
    for column in _HEAD[1:]:
        table.add_column(column, justify='right')
    for row in _costs(subnets, labels):
        table.add_row(*row)
    return render(table)


def write_comparison(
    subnets: Sequence[Subnet], labels: Sequence[str], out: str | os.PathLike
) -> None:
    """Write a page with their costs and widths.

    Args:
        subnets: Two to four subnets of the same network.
        labels: Their names.
        out: The ``.html`` file; pictures go into a folder of its name.

    Raises:
        SubnetError: If they are of different networks, or more than four.
        OSError: If the page can't be written.
    """
    require_same_network(subnets)
    units = Grid(
        ['unit', 'of', *labels],
        [
            [
                name,
                str(unit.of),
                *(
                    f'{s.units[name].channels} ({s.units[name].channels / unit.of:.0%})'
                    for s in subnets
                ),
            ]
            for name, unit in subnets[0].units.items()
        ],
    )
    page = Page(
        'Subnets side by side',
        f'{len(subnets[0].units)} units; costs relative to the first',
        sections=[
            Section('Cost', tables=[Grid(_HEAD, _costs(subnets, labels))]),
            Section(
                'Widths',
                pictures=[
                    Picture(
                        'widths',
                        'Channels that each unit keeps.',
                        draw_widths(subnets, labels),
                    )
                ],
                folded=[Folded('Every unit as a table', table=units)],
            ),
        ],
    )
    path = Path(out)
    page.write(path, path.with_suffix(''))


_HEAD = ['subnet', 'FLOPs', 'of first', 'parameters', 'of first', 'channels kept']


def _costs(subnets: Sequence[Subnet], labels: Sequence[str]) -> list[list[str]]:
    first, rows = subnets[0], []
    for subnet, label in zip(subnets, labels):
        units = subnet.units.values()
        kept = sum(u.channels for u in units) / sum(u.of for u in units)
        cells = [
            cell
            for key in ('macs', 'params')
            for cell in (
                quantity(subnet.cost[key]),
                f'{subnet.cost[key] / first.cost[key]:.1%}',
            )
        ]
        rows.append([label, *cells, f'{kept:.0%}'])
    return rows
