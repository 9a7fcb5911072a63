"""What lies in a work dir, for its report."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError, SubnetError
from ..subnet import Subnet
from .record import SearchRecord

#: What `mmdmcp latency --out` writes.
LATENCY = 'latency.json'


@dataclass
class RunFolder:
    """The parts of a work dir that a report shows.

    Attributes:
        path: The work dir.
        subnets: Subnet files in it, by stem.
        record: Its ``search.json``, if there is one.
        scalars: Rows of its curves, in the order they were written.
        config: Text of the config, empty if it is not there.
        latency: What was measured with ``mmdmcp latency --out``, if it was.
    """

    path: Path
    subnets: dict[str, Subnet]
    record: SearchRecord | None
    scalars: list[dict] = field(default_factory=list)
    config: str = ''
    latency: dict | None = None

    @classmethod
    def read(cls, path: str | os.PathLike) -> 'RunFolder':
        """Read a work dir.

        Raises:
            DataError: If it is no folder, or nothing in it can be shown.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f'{path}: no such folder; give the work dir of a run')
        folder = cls(
            path,
            read_subnets(path),
            SearchRecord.load(path),
            read_scalars(path),
            _last_config(path),
            _json(path / LATENCY),
        )
        if not folder.subnets and not folder.scalars and folder.record is None:
            raise DataError(
                f'{path}: neither a subnet file, nor search.json, nor a '
                'vis_data/scalars.json below it: this is not the work dir of a '
                'run; give the folder that the run names as its work_dir'
            )
        return folder


def read_subnets(path: Path) -> dict[str, Subnet]:
    """Subnet files of a folder, by stem; other YAML files are passed over."""
    found = {}
    for file in sorted(path.glob('*SUBNET*.yaml')):
        try:
            found[file.stem] = Subnet.load(file)
        except SubnetError as error:
            raise DataError(f'{error}; move the file away to go on') from error
    return found


def read_scalars(path: Path) -> list[dict]:
    """Rows of every ``vis_data/scalars.json``, oldest run first.

    Rows about one step become one; of what is written twice the later stays, as
    a run that was resumed wrote it.
    """
    rows: dict[tuple, dict] = {}
    for file in sorted(path.glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8').splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            if isinstance(row, dict) and 'step' in row:
                rows.setdefault((row['step'], 'iter' in row), {}).update(row)
    # A validation counts epochs where training counts iterations.
    iterations = {
        row.get('epoch'): row['step'] for row in rows.values() if 'iter' in row
    }
    for (_, trained), row in rows.items():
        if not trained:
            row['step'] = iterations.get(row['step'], row['step'])
    return sorted(rows.values(), key=lambda row: row['step'])


def last_metrics(path: Path) -> dict[str, float]:
    """Metrics of a trained network: of its test, else its last validation."""
    tested = _json(path / 'test.json')
    if tested is not None:
        return {k: v for k, v in tested.items() if isinstance(v, (int, float))}
    validations = [row for row in read_scalars(path) if 'iter' not in row]
    if not validations:
        raise DataError(
            f'{path}: neither a test.json nor a validation in it; give the work dir '
            'of a training that validates'
        )
    skipped = ('step', 'time', 'data_time')
    return {k: v for k, v in validations[-1].items() if k not in skipped}


def _last_config(path: Path) -> str:
    files = sorted(path.glob('*/vis_data/config.py'))
    return files[-1].read_text(encoding='utf-8') if files else ''


def _json(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise DataError(
            f'{path}: not valid JSON ({error}); remove it or make it anew'
        ) from error
    return data if isinstance(data, dict) else None
