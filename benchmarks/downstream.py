#!/usr/bin/env python
"""A trained detector, pruned, tuned, distilled and quantised, on real photos.

    python -m benchmarks.downstream [STAGE ...] [--report]

Runs the shipped configs of RTMDet-tiny on blood cells (``data/bccd``; one seed)
and appends a JSON line per network to ``work_dirs/downstream.jsonl``. A stage
that has its line is left out, and a training that was stopped goes on.
``latency`` times all of them in turn; nothing else should run meanwhile.
``--report`` prints the lines as a table and runs nothing.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path('work_dirs/downstream.jsonl')
CONFIGS = 'configs/detection/'
FULL = CONFIGS + 'rtmdet-tiny_1xb8_bccd.py'
PRUNE = CONFIGS + 'importance_rtmdet-tiny_1xb8_bccd.py'
SMALL = CONFIGS + 'importance_rtmdet-tiny_subnet_1xb8_bccd.py'
DISTIL = CONFIGS + 'importance_rtmdet-tiny_distill_1xb8_bccd.py'
FOLDER = 'work_dirs/importance_rtmdet-tiny_1xb8_bccd/'
FOUND = FOLDER + 'IMPORTANCE_SUBNET_RTMDET_TINY_BCCD'
UNIFORM = 'work_dirs/UNIFORM_SUBNET_RTMDET_TINY_BCCD.yaml'

#: Stage to config of its training, subnet file, and work dir.
TRAININGS = {
    'full': (FULL, None, 'rtmdet-tiny_1xb8_bccd'),
    'pruned': (PRUNE, f'{FOUND}.yaml', 'importance_rtmdet-tiny_1xb8_bccd'),
    'uniform': (SMALL, UNIFORM, 'uniform_rtmdet-tiny_1xb8_bccd'),
    'pruned, distilled': (
        DISTIL,
        f'{FOUND}.yaml',
        'importance_rtmdet-tiny_distill_1xb8_bccd',
    ),
    'uniform, distilled': (DISTIL, UNIFORM, 'uniform_rtmdet-tiny_distill_1xb8_bccd'),
}
STAGES = (*TRAININGS, 'latency')


def train(stage: str) -> None:
    """Train a network, measure it, and add its line."""
    config, subnet, folder = TRAININGS[stage]
    work = f'work_dirs/{folder}'
    command = ['tools/train.py', config, '--amp', '--work-dir', work, '--resume']
    if subnet == UNIFORM:
        write_uniform()
        key = 'model.student.subnet' if config == DISTIL else 'model.subnet'
        command += ['--cfg-options', f'{key}={subnet}']
    seconds = None  # of a training that was over before
    if not is_over(config, folder):
        before = time.time()
        subprocess.run([sys.executable, '-W', 'ignore', *command], check=True)
        seconds = round(time.time() - before)
    found = measured(stage)
    add(stage, found, command='python ' + ' '.join(command), seconds=seconds)


def is_over(config: str, folder: str) -> bool:
    """Whether a training has come to its last epoch, and written its result."""
    from mmdmcp.preflight.config import load_config

    last = f'epoch_{load_config(config).train_cfg.max_epochs}.pth'
    written = config != PRUNE or Path(f'{FOUND}.pth').exists()
    return written and Path('work_dirs', folder, last).exists()


def network(stage: str) -> tuple:
    """A trained network in eval mode, and the config that it is tested by."""
    from mmdmcp.deploy import load_pair
    from mmdmcp.deploy.models import full_model, load_weights

    _, subnet, folder = TRAININGS[stage]
    if subnet is None:
        model = full_model(FULL).eval()
        load_weights(model, newest(folder))
        return model, FULL
    weights = f'{FOUND}.pth' if stage == 'pruned' else newest(folder)
    return load_pair(SMALL, subnet).build_pruned(weights), SMALL


def newest(folder: str) -> str:
    """The last checkpoint of a training."""
    return Path('work_dirs', folder, 'last_checkpoint').read_text()


def measured(stage: str) -> dict:
    """Cost, and accuracy on the test part, in float32 and int8."""
    from mmdmcp.cost import count
    from mmdmcp.deploy import int8
    from mmdmcp.deploy.onnx import export_onnx
    from mmdmcp.deploy.predictor import OnnxPredictor
    from mmdmcp.deploy.validation import Validation
    from mmdmcp.supernet.sample_run import SampleRuns

    model, config = network(stage)
    shape = (3, 320, 320)
    image, quantised = (
        f'work_dirs/{TRAININGS[stage][2]}/{name}.onnx' for name in ('net', 'int8')
    )
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


def write_uniform() -> None:
    """The same share of every unit's channels, the largest ones, at 50 %."""
    from mmengine.registry import init_default_scope

    from mmdmcp.checkpoints import read_weights
    from mmdmcp.preflight.config import load_config
    from mmdmcp.registry import MODELS

    cfg = load_config(PRUNE)
    init_default_scope(cfg.default_scope)
    algorithm = MODELS.build(cfg.model)
    algorithm.load_state_dict(read_weights(cfg.load_from))
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
    algorithm.export_subnet(kept).save(UNIFORM)


def latency() -> None:
    """Milliseconds of an image, one thread, every network in turn."""
    import onnxruntime
    import torch

    from mmdmcp.deploy.models import Plain

    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    image = torch.rand(1, 3, 320, 320)
    runs = {}
    for stage in [s for s in TRAININGS if s in lines()]:
        plain = Plain(network(stage)[0])
        runs[stage, 'PyTorch'] = lambda plain=plain: plain(image)
        for name in ('net', 'int8'):
            path = f'work_dirs/{TRAININGS[stage][2]}/{name}.onnx'
            session = onnxruntime.InferenceSession(path, options)
            runs[stage, name] = lambda s=session: s.run(None, {'image': image.numpy()})
    times: dict[tuple, list[float]] = {key: [] for key in runs}
    with torch.inference_mode():
        for _ in range(20):
            for key, run in runs.items():
                before = time.perf_counter()
                run()
                times[key].append(time.perf_counter() - before)
    median = {key: sorted(x)[len(x) // 2] for key, x in times.items()}
    add(
        'latency',
        {f'{stage}: {name}': round(x * 1e3, 2) for (stage, name), x in median.items()},
        command='python -m benchmarks.downstream latency',
    )


def lines() -> dict[str, dict]:
    """The last line of each stage."""
    if not RESULTS.exists():
        return {}
    found = map(json.loads, RESULTS.read_text().splitlines())
    return {line['stage']: line for line in found}


def add(stage: str, result: dict, **how) -> None:
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
    line = dict(stage=stage, seed=0, **result, **how, at=now, versions=versions)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open('a') as file:
        file.write(json.dumps(line) + '\n')
    print(json.dumps(line))


def table() -> str:
    """The lines, as docs/downstream.md has them."""
    found = lines()
    times = found.get('latency', {})
    rows = [
        '| network | FLOPs | parameters | mAP | int8 | PyTorch | onnxruntime | int8 |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for stage in (s for s in TRAININGS if s in found):
        line = found[stage]
        cells = [
            stage,
            f'{line["macs"] / 1e6:,.0f} M',
            f'{line["params"] / 1e6:.2f} M',
            *(f'{100 * line[name]:.1f}' for name in ('float32', 'int8')),
            *(
                f'{times[key]:.1f} ms' if key in times else ''
                for key in (f'{stage}: {n}' for n in ('PyTorch', 'net', 'int8'))
            ),
        ]
        rows.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows)


def main() -> None:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('stage', nargs='*', help=f'of {", ".join(STAGES)}; all')
    parser.add_argument('--report', action='store_true', help='print the table')
    args = parser.parse_args()
    unknown = set(args.stage) - set(STAGES)
    if unknown:
        parser.error(f'no stage {", ".join(unknown)}; choose from {", ".join(STAGES)}')
    if args.report:
        print(table())
        return
    sys.path.insert(0, str(ROOT))
    for stage in args.stage or STAGES:
        if stage in lines() and stage != 'latency':
            continue
        latency() if stage == 'latency' else train(stage)
    print(table())


if __name__ == '__main__':
    main()
