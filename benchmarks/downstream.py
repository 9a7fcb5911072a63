#!/usr/bin/env python
"""A trained detector, pruned, tuned, distilled and quantised, on real photos.

    python -m benchmarks.downstream [STAGE ...] [--seeds 0 1] [--report]

Runs the shipped configs of RTMDet-tiny on blood cells (``data/bccd``) and
appends a JSON line per network and seed to ``work_dirs/downstream.jsonl``. A
stage that has its line is left out, and a training that was stopped goes on.
Every seed has its own full network; seed 0 leaves its files where the configs
do, others below ``work_dirs/seed1``. ``latency`` times the networks of seed 0 in
turn, in CPU time of one thread: what else runs on the machine changes little.
``--report`` prints the lines as a table and runs nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path('work_dirs/downstream.jsonl')
CONFIGS = 'configs/detection/'
FULL = CONFIGS + 'rtmdet-tiny_1xb8_bccd.py'
PRUNE = CONFIGS + 'importance_rtmdet-tiny_1xb8_bccd.py'
SMALL = CONFIGS + 'importance_rtmdet-tiny_subnet_1xb8_bccd.py'
DISTIL = CONFIGS + 'importance_rtmdet-tiny_distill_1xb8_bccd.py'

#: Stage to config of its training, and name of its work dir.
TRAININGS = {
    'full': (FULL, 'rtmdet-tiny_1xb8_bccd'),
    'pruned': (PRUNE, 'importance_rtmdet-tiny_1xb8_bccd'),
    'uniform': (SMALL, 'uniform_rtmdet-tiny_1xb8_bccd'),
    'pruned, distilled': (DISTIL, 'importance_rtmdet-tiny_distill_1xb8_bccd'),
    'uniform, distilled': (DISTIL, 'uniform_rtmdet-tiny_distill_1xb8_bccd'),
}
STAGES = (*TRAININGS, 'latency')


@dataclass(frozen=True)
class Network:
    """The network that a stage trains, and where its files are."""

    stage: str
    seed: int = 0

    @property
    def config(self) -> str:
        """Config of its training."""
        return TRAININGS[self.stage][0]

    @property
    def place(self) -> Path:
        """Its work dir."""
        return self.root / TRAININGS[self.stage][1]

    @property
    def root(self) -> Path:
        """Where the files of its seed are."""
        return Path('work_dirs', f'seed{self.seed}' if self.seed else '')

    @property
    def subnet(self) -> Path | None:
        """The subnet file; the full network has none."""
        if self.config == FULL:
            return None
        if self.stage.startswith('uniform'):
            return self.root / 'UNIFORM_SUBNET_RTMDET_TINY_BCCD.yaml'
        pruned = Network('pruned', self.seed).place
        return pruned / 'IMPORTANCE_SUBNET_RTMDET_TINY_BCCD.yaml'

    @property
    def weights(self) -> str:
        """The last checkpoint; pruning writes the small network's beside its file."""
        if self.config == PRUNE:
            return str(self.subnet.with_suffix('.pth'))
        return (self.place / 'last_checkpoint').read_text()

    @property
    def options(self) -> list[str]:
        """What differs from the config."""
        found = [f'randomness.seed={self.seed}']
        if self.config == FULL:
            return found
        trained = Network('full', self.seed).weights
        if self.config == PRUNE:
            return [*found, f'load_from={trained}']
        small = 'model.student' if self.config == DISTIL else 'model'
        if self.config == DISTIL:
            found.append(f'model.teacher_checkpoint={trained}')
        return [
            *found,
            f'{small}.subnet={self.subnet}',
            f'{small}.init_cfg.checkpoint={trained}',
        ]

    def is_over(self) -> bool:
        """Whether its training has come to its last epoch, and written its result."""
        from mmdmcp.preflight.config import load_config

        last = f'epoch_{load_config(self.config).train_cfg.max_epochs}.pth'
        written = self.config != PRUNE or Path(self.weights).exists()
        return written and (self.place / last).exists()

    def build(self) -> tuple:
        """The trained network in eval mode, and the config that it is tested by."""
        from mmdmcp.deploy import load_pair
        from mmdmcp.deploy.models import full_model, load_weights

        if self.subnet is None:
            model = full_model(FULL).eval()
            load_weights(model, self.weights)
            return model, FULL
        pair = load_pair(SMALL, str(self.subnet))
        return pair.build_pruned(self.weights), SMALL


def train(network: Network) -> None:
    """Train a network, measure it, and add its line."""
    if network.stage.startswith('uniform') and not network.subnet.exists():
        write_uniform(network)
    command = ['tools/train.py', network.config, '--amp', '--resume']
    command += ['--work-dir', str(network.place), '--cfg-options', *network.options]
    seconds = None  # of a training that was over before
    if not network.is_over():
        before = time.time()
        subprocess.run([sys.executable, '-W', 'ignore', *command], check=True)
        seconds = round(time.time() - before)
    how = dict(command='python ' + ' '.join(command), seconds=seconds)
    add(network.stage, network.seed, measured(network), **how)


def measured(network: Network) -> dict:
    """Cost, and accuracy on the test part, in float32 and int8."""
    from mmdmcp.cost import count
    from mmdmcp.deploy import int8
    from mmdmcp.deploy.onnx import export_onnx
    from mmdmcp.deploy.predictor import OnnxPredictor
    from mmdmcp.deploy.validation import Validation
    from mmdmcp.supernet.sample_run import SampleRuns

    model, config = network.build()
    shape = (3, 320, 320)
    image, quantised = (str(network.place / f'{name}.onnx') for name in ('net', 'int8'))
    export_onnx(model, image, shape, decode=True)
    held_out = Validation(config)
    images = int8.calibration_images(model, held_out.loader, 64, shape)
    int8.quantize(image, quantised, images)
    test = Validation(
        config,
        {
            'val_dataloader.dataset.ann_file': 'annotations/test.json',
            'val_evaluator.ann_file': 'data/bccd/annotations/test.json',
        },
    )
    found = dict(
        macs=count(SampleRuns(model, shape).inference),
        params=sum(p.numel() for p in model.parameters()),
    )
    for name, predictor in (
        ('float32', model),
        ('onnx', OnnxPredictor(model, image)),
        ('int8', OnnxPredictor(model, quantised)),
    ):
        found[name] = test.metrics(predictor)['coco/bbox_mAP']
    return found


def write_uniform(network: Network) -> None:
    """The same share of every unit's channels, the largest ones, at 50 %."""
    from mmengine.registry import init_default_scope

    from mmdmcp.checkpoints import read_weights
    from mmdmcp.preflight.config import load_config
    from mmdmcp.registry import MODELS

    cfg = load_config(PRUNE)
    init_default_scope(cfg.default_scope)
    algorithm = MODELS.build(cfg.model)
    algorithm.load_state_dict(read_weights(Network('full', network.seed).weights))
    algorithm.prune()  # puts the channels of each unit in order
    mutator, low, high = algorithm.mutator, 0.0, 1.0
    for _ in range(20):
        ratio = (low + high) / 2
        kept = [
            mutator.keep(row, max(1, round(ratio * unit.num_channels)))
            for row, unit in enumerate(mutator.units)
        ]
        over = algorithm.cost_of(kept)['macs'] > 0.5 * algorithm.cost_of('max')['macs']
        low, high = (low, ratio) if over else (ratio, high)
    algorithm.export_subnet(kept).save(str(network.subnet))


def latency() -> None:
    """Milliseconds of an image, one thread, every network in turn.

    Distilling changes weights alone, so that those networks are not timed.
    """
    import onnxruntime
    import torch

    from mmdmcp.deploy.models import Plain

    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    image = torch.rand(1, 3, 320, 320)
    runs = {}
    done = [s for s in ('full', 'pruned', 'uniform') if (s, 0) in lines()]
    for network in map(Network, done):
        plain = Plain(network.build()[0])
        runs[network.stage, 'PyTorch'] = lambda plain=plain: plain(image)
        for name in ('net', 'int8'):
            session = onnxruntime.InferenceSession(
                str(network.place / f'{name}.onnx'), options
            )
            runs[network.stage, name] = lambda s=session: s.run(
                None, {'image': image.numpy()}
            )
    times: dict[tuple, list[float]] = {key: [] for key in runs}
    with torch.inference_mode():
        for _ in range(20):
            for key, run in runs.items():
                before = time.thread_time()
                run()
                times[key].append(time.thread_time() - before)
    median = {key: sorted(x)[len(x) // 2] for key, x in times.items()}
    found = {f'{stage}: {name}': x * 1e3 for (stage, name), x in median.items()}
    add('latency', 0, found, command='python -m benchmarks.downstream latency')


def lines() -> dict[tuple[str, int], dict]:
    """The last line of each stage and seed."""
    if not RESULTS.exists():
        return {}
    found = map(json.loads, RESULTS.read_text().splitlines())
    return {(line['stage'], line['seed']): line for line in found}


def add(stage: str, seed: int, result: dict, **how) -> None:
    """Append a line: what was found, how, and with what."""
    import mmdet
    import onnxruntime
    import torch

    versions = dict(
        torch=torch.__version__,
        mmdet=mmdet.__version__,
        onnxruntime=onnxruntime.__version__,
    )
    now = time.strftime('%Y-%m-%d %H:%M')
    line = dict(stage=stage, seed=seed, **result, **how, at=now, versions=versions)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open('a') as file:
        file.write(json.dumps(line) + '\n')
    print(json.dumps(line), flush=True)


def table() -> str:
    """The lines, as docs/downstream.md has them: the mean of the seeds."""
    found = lines()
    times = found.get(('latency', 0), {})
    rows = [
        '| network | seeds | FLOPs | parameters | mAP | int8 '
        '| PyTorch | onnxruntime | int8 |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for stage in TRAININGS:
        seeds = [line for (name, _), line in found.items() if name == stage]
        if not seeds:
            continue
        # Distilling changes weights alone.
        same = stage.partition(',')[0]
        cells = [
            stage,
            ' and '.join(str(line['seed']) for line in seeds),
            f'{mean(seeds, "macs") / 1e6:,.0f} M',
            f'{mean(seeds, "params") / 1e6:.2f} M',
            *(f'{100 * mean(seeds, name):.1f}' for name in ('float32', 'int8')),
            *(
                f'{times[key]:.1f} ms' if key in times else ''
                for key in (f'{same}: {n}' for n in ('PyTorch', 'net', 'int8'))
            ),
        ]
        rows.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows)


def mean(seeds: list[dict], name: str) -> float:
    """Mean over lines of one stage."""
    return statistics.mean(line[name] for line in seeds)


def main() -> None:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('stage', nargs='*', help=f'of {", ".join(STAGES)}; all')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--report', action='store_true', help='print the table')
    args = parser.parse_args()
    unknown = set(args.stage) - set(STAGES)
    if unknown:
        parser.error(f'no stage {", ".join(unknown)}; choose from {", ".join(STAGES)}')
    if args.report:
        print(table())
        return
    sys.path.insert(0, str(ROOT))
    for seed in args.seeds:
        for stage in args.stage or STAGES:
            if stage == 'latency':
                latency()
            elif (stage, seed) not in lines():
                train(Network(stage, seed))
    print(table())


if __name__ == '__main__':
    main()
