"""How much faster the pruned network really is, beside its FLOPs."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.table import Table
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.benchmark import timer as benchmark_timer

from ..cost import count
from ..errors import ConfigError, first_line
from ..files import atomic_file
from ..report.tables import quantity, render
from ..supernet.sample_run import SampleRuns
from ..supernet.samples import forward_arguments
from .models import Plain, is_two_stage
from .onnx import export_onnx, missing_packages, open_session, runs_on
from .timing import counts_own_time, settle_allocator

_WITHOUT_BOXES = ', backbone to RPN'
WARM_UP = 3  # runs of each network before any is timed


@dataclass
class Latency:
    """What one runtime took for the two networks.

    Attributes:
        runtime: ``'PyTorch'`` or ``'onnxruntime'``.
        full: Median seconds per batch of the full network.
        pruned: The same of the pruned one.
        spread: Largest distance between quartiles, as a ratio of the
            median: above 0.1, the machine was busy with something else.
    """

    runtime: str
    full: float
    pruned: float
    spread: float

    @property
    def speed_up(self) -> float:
        """How many times faster the pruned network is."""
        return self.full / self.pruned


def measure(
    nets: dict[str, nn.Module],
    input_shape: Sequence[int],
    batch: int = 1,
    threads: int = 1,
    seconds: float = 5.0,
    onnx: bool = True,
) -> list[Latency]:
    """Time the full and the pruned network, taking turns.

    Args:
        nets (dict): ``'full'`` and ``'pruned'``, in eval mode, on the
            device to measure.
        input_shape (Sequence[int]): Channels, height and width.
        batch (int): Images per run.
        threads (int): Threads of the runtime, on the CPU.
        seconds (float): Time to spend on each network and runtime.
        onnx (bool): Also measure in onnxruntime (on the CPU), if it is
            installed.

    Returns:
        list[Latency]: One per runtime.
    """
    settle_allocator()
    device = _device(nets['full'])
    image = torch.rand(batch, *input_shape, device=device)
    runs = {name: _torch_run(net, image) for name, net in nets.items()}
    clock = _clock(device, threads)
    found = [_measure('PyTorch', runs, threads, seconds, clock)]
    if onnx and device.type == 'cpu' and not missing_packages():
        with TemporaryDirectory() as folder:
            runs = {
                name: _onnx_run(net, image, Path(folder, name + '.onnx'), threads)
                for name, net in nets.items()
            }
            name = 'onnxruntime' + _WITHOUT_BOXES * is_two_stage(nets['full'])
            found.append(_measure(name, runs, threads, seconds, clock))
    return found


def _measure(
    runtime: str,
    runs: dict[str, Callable],
    threads: int,
    seconds: float,
    clock: Callable[[], float],
) -> Latency:
    """Interleaved, so that a busy moment of the machine hits both."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(WARM_UP):
            run()
    rounds = 5
    for _ in range(rounds):
        for name, run in runs.items():
            timer = Timer(
                'run()', timer=clock, globals=dict(run=run), num_threads=threads
            )
            times[name] += timer.blocked_autorange(min_run_time=seconds / rounds).times
    spread = 0.0
    for values in times.values():
        if len(values) > 1:
            low, middle, high = statistics.quantiles(values, n=4)
            spread = max(spread, (high - low) / middle)
    return Latency(
        runtime,
        statistics.median(times['full']),
        statistics.median(times['pruned']),
        spread,
    )


def _clock(device: torch.device, threads: int) -> Callable[[], float]:
    """Seconds that went by, counted as for a profile."""
    own = counts_own_time(device, threads)
    return time.thread_time if own else benchmark_timer


def _torch_run(net: nn.Module, image: torch.Tensor) -> Callable:
    call = partial(Plain(net), image)
    if is_two_stage(net):  # end to end: half of it runs on boxes
        samples = forward_arguments(net, image, 'predict')
        samples['data_samples'] *= len(image)
        call = partial(net, image, **samples)

    @torch.inference_mode()
    def run():
        call()

    return run


def _onnx_run(
    net: nn.Module, image: torch.Tensor, path: Path, threads: int
) -> Callable:
    export_onnx(net, str(path), tuple(image.shape[1:]))
    return runs_on(open_session(path, threads), image)


def report(
    nets: dict[str, nn.Module],
    input_shape: Sequence[int],
    found: Sequence[Latency],
    batch: int,
    threads: int,
    predicted: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """The measurements as a table, with what they were taken on.

    Args:
        nets: As for :func:`measure`.
        input_shape: Channels, height and width.
        found: The measurements.
        batch: Images per run.
        threads: Threads on the CPU.
        predicted: Seconds that a profile predicts for each network, by the
            runtime that it was measured in; a row below that runtime's.
    """
    full_macs, macs = (
        count(SampleRuns(nets[name], tuple(input_shape)).inference)
        for name in ('full', 'pruned')
    )
    full_params, params = (
        sum(p.numel() for p in nets[name].parameters()) for name in ('full', 'pruned')
    )
    table = Table()
    for column in ('', 'full', 'pruned', 'full/pruned', 'spread'):
        table.add_column(column, justify='right' if column else 'left')
    for title, before, after in (
        ('MACs', full_macs, macs),
        ('parameters', full_params, params),
    ):
        table.add_row(
            title, quantity(before), quantity(after), f'{before / after:.2f}x', ''
        )
    for row in found:
        table.add_row(
            row.runtime,
            f'{row.full * 1e3:,.1f} ms',
            f'{row.pruned * 1e3:,.1f} ms',
            f'{row.speed_up:.2f}x',
            f'{row.spread:.0%}' + ' (the machine was busy)' * (row.spread > 0.1),
        )
        if predicted and row.runtime in predicted:
            _add_predicted(table, row, predicted[row.runtime])
    taken_on = conditions(nets, input_shape, batch, threads)
    return (
        f'{taken_on}; {WARM_UP} warm-up runs, median of interleaved runs\n'
        f'{render(table)}'
    )


def _add_predicted(table: Table, row: Latency, seconds: Mapping[str, float]) -> None:
    """What a profile says, and how far the measurement is from that."""
    full, pruned = seconds['full'], seconds['pruned']
    table.add_row(
        '  predicted',
        f'{full * 1e3:,.1f} ms ({full / row.full - 1:+.1%})',
        f'{pruned * 1e3:,.1f} ms ({pruned / row.pruned - 1:+.1%})',
        f'{full / pruned:.2f}x',
        '',
    )


def conditions(
    nets: dict[str, nn.Module], input_shape: Sequence[int], batch: int, threads: int
) -> str:
    """What the measurements were taken on, in words."""
    device = _device(nets['full'])
    where = processor(device)
    if device.type == 'cpu':
        where = f'{threads} thread{"s" * (threads > 1)} of {where}'
    return f'Input {"x".join(map(str, input_shape))}, batch {batch}, {where}'


def save(
    path: str | os.PathLike,
    nets: dict[str, nn.Module],
    input_shape: Sequence[int],
    found: Sequence[Latency],
    batch: int,
    threads: int,
) -> None:
    """Write the measurements as JSON, for a report.

    Raises:
        ConfigError: If the file can't be written.
    """
    rows = [dict(asdict(row), speed_up=row.speed_up) for row in found]
    measured = conditions(nets, input_shape, batch, threads)
    try:
        with atomic_file(path) as file:
            text = json.dumps(dict(measured=measured, runtimes=rows), indent=1)
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"--out {path} can't be written: {first_line(error)}. Name a file in a "
            'folder that may be written to'
        ) from error


def processor(device: torch.device) -> str:
    """Name of a device, as far as it can be found."""
    if device.type != 'cpu':
        return torch.cuda.get_device_name(device)
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device
