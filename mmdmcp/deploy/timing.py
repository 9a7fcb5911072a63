"""How long a module takes in a runtime, on a device."""

import copy
import io
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, ProfileError, first_line
from .onnx import missing_packages, open_session, runs_on

Run = Callable[[], object]
_LEAST_NS = 1_500_000  # of a visit; a short block is run until it has taken so long
_RUNS = (4, 100)  # of a visit, at least and at most
_CACHE = 8 << 20  # bytes; more than the cache of a core, less than what all share
_LARGE = 31 << 20  # bytes; glibc learns from what is freed up to 32 MiB
_REORDERS = ('ReorderInput', 'ReorderOutput')
_QUEUED = 20  # runs of a GPU between two waits for it


class Runtime:
    """Runs modules as a deployment would, and times them.

    Args:
        name: ``'pytorch'`` or ``'onnxruntime'``.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``.
        threads: Threads on the CPU.

    Raises:
        ConfigError: If a package or the device is missing.
    """

    def __init__(self, name: str, device: str = 'cpu', threads: int = 1) -> None:
        self.name = name
        self.device = usable_device(device)
        self.threads = threads
        if name == 'onnxruntime':
            missing = missing_packages()
            if missing:
                raise ConfigError(
                    f'--runtime onnxruntime: {", ".join(missing)} is not installed: pip '
                    f'install {" ".join(missing)} (or mmdmcp[onnx])'
                )
            if self.device.type != 'cpu':
                raise ConfigError(
                    '--runtime onnxruntime is measured with --device cpu only; on a GPU '
                    'take --runtime pytorch'
                )

    @property
    def versions(self) -> dict[str, str]:
        """Of the packages that decide how long something takes."""
        found = {'torch': str(torch.__version__)}
        if self.name == 'onnxruntime':
            import onnxruntime

            found['onnxruntime'] = onnxruntime.__version__
        return found

    @contextmanager
    def ready(self) -> Iterator[None]:
        """PyTorch has the threads inside."""
        settle_allocator()
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def runner(self, modules: Sequence[nn.Module], inputs: Sequence[Tensor]) -> Run:
        """What runs modules one after the other, once for each input."""
        if self.name == 'onnxruntime':
            runs = [self._session(_onnx(modules, x), x) for x in inputs]
            return lambda: [run() for run in runs]
        modules = [module.to(self.device) for module in modules]
        inputs = [x.to(self.device) for x in inputs]

        @torch.inference_mode()
        def run() -> None:
            for x in inputs:
                for module in modules:
                    x = module(x)

        return run

    def maker(self, net: nn.Module, image: Tensor) -> Callable[[], Run]:
        """What makes a copy of a network, ready to run.

        Where in memory a copy happens to lie can cost a tenth of the time.
        """
        if self.name == 'onnxruntime':
            file = _onnx([net], image)
            return lambda: self._session(file, image)
        return lambda: self.runner([copy.deepcopy(net)], [image])

    def _session(self, file: bytes, image: Tensor) -> Run:
        return runs_on(open_session(file, self.threads), image)

    def time_layers(
        self, modules: Sequence[nn.Module], inputs: Sequence[Tensor]
    ) -> int:
        """Nanoseconds that layers take, as they would inside a network.

        Of onnxruntime it is the time of its kernels, by its own profiling,
        without those which only bring the channels into the order that the
        kernels want and back: inside a network they stay in it.

        Args:
            modules: Called one after the other.
            inputs: One for each call of them.
        """
        if self.name != 'onnxruntime':
            return self.time(self.runner(modules, inputs), inputs)
        with TemporaryDirectory() as folder:
            total = 0
            for x in inputs:
                session = open_session(_onnx(modules, x), self.threads, folder)
                self.time(runs_on(session, x), [x])
                total += _kernel_ns(session.end_profiling())
        return max(1, total)

    def time(self, run: Run, inputs: Sequence[Tensor] = ()) -> int:
        """Nanoseconds of the fastest of a few runs: what is left without
        disturbance.

        Args:
            run: What runs it.
            inputs: What a layer of a network would find in the caches of a
                CPU, its own weights being long gone: the output of the layer
                before. None for a whole network.
        """
        queued = 1 if self.device.type == 'cpu' else _QUEUED
        now = self._clock
        self._wait(run)
        times: list[int] = []
        while len(times) < _RUNS[0] or (
            sum(times) * queued < _LEAST_NS and len(times) < _RUNS[1]
        ):
            if inputs and self.device.type == 'cpu':
                self._evict.add_(1)
                for x in inputs:
                    x.mul_(1)
            start = now()
            for _ in range(queued - 1):
                run()
            self._wait(run)
            times.append((now() - start) // queued)
        return max(1, min(times))

    @cached_property
    def _evict(self) -> Tensor:
        return torch.zeros(_CACHE // 4)

    @property
    def _clock(self) -> Callable[[], int]:
        """Nanoseconds that went by."""
        own = counts_own_time(self.device, self.threads)
        return time.thread_time_ns if own else time.perf_counter_ns

    def _wait(self, run: Run) -> None:
        run()
        if self.device.type != 'cpu':
            torch.cuda.synchronize(self.device)


def _kernel_ns(path: str) -> int:
    """Nanoseconds of all kernels but reorders, from a file of onnxruntime's
    profiling: of each the mean of the fastest quarter of its runs, which are
    whole microseconds there."""
    runs: dict[str, list[int]] = {}
    for event in json.loads(Path(path).read_text()):
        kernel = event.get('cat') == 'Node' and event['name'].endswith('_kernel_time')
        if kernel and event['args'].get('op_name') not in _REORDERS:
            runs.setdefault(event['name'], []).append(event['dur'])
    fastest = [sorted(times)[: max(1, len(times) // 4)] for times in runs.values()]
    return round(1000 * sum(statistics.fmean(times) for times in fastest))


def _onnx(modules: Sequence[nn.Module], image: Tensor) -> bytes:
    """Modules as ONNX, by the exporter that is quick.

    Raises:
        ProfileError: If it can't follow them.
    """
    net = nn.Sequential(*modules).eval()
    file: Any = io.BytesIO()  # which it takes, too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            torch.onnx.export(net, (image,), file, dynamo=False, opset_version=18)
    except Exception as error:
        raise ProfileError(
            f"{type(modules[0]).__name__} can't be written as ONNX "
            f'({first_line(error)}): take --runtime pytorch'
        ) from error
    return file.getvalue()


def counts_own_time(device: torch.device, threads: int) -> bool:
    """Whether a thread's own time is taken: one thread of the CPU's. What it
    waits while other processes run is no part of the latency."""
    return device.type == 'cpu' and threads == 1


def settle_allocator() -> None:
    """Bring the C library's allocator where a process that runs for long is.

    Until it has freed something large, glibc hands the memory of every larger
    feature map back to the system, and faults it in again: the same network
    takes up to 1.4 times as long, or not, by where its tensors lie.
    """
    torch.empty(_LARGE, dtype=torch.uint8)


def usable_device(device: str) -> torch.device:
    """A device that is there.

    Raises:
        ConfigError: If it isn't.
    """
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"--device {device} can't be used: {first_line(error)}. cpu can"
        ) from error
    return torch.device(device)


def spread(times: Sequence[float]) -> float:
    """By how much the second fastest was slower than the fastest, a ratio."""
    first, second = sorted(times)[:2]
    return second / first - 1
