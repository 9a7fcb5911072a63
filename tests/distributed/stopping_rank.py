"""One rank of a training that was told to stop, started by
``common.ranks.launch``.

    python stopping_rank.py OUT
"""

import logging
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from common.ranks import join, leave

from mmdmcp.engine import ResumableTrainLoop


def main(out: str) -> None:
    rank, _ = join()

    def save_checkpoint(folder, name, **kwargs):
        if rank == 0:  # as in MMEngine
            time.sleep(1)
            Path(folder, name).touch()

    loop = ResumableTrainLoop.__new__(ResumableTrainLoop)
    loop._iter, loop._epoch, loop._stop_signal = 20, 2, signal.SIGTERM
    loop._runner = SimpleNamespace(
        work_dir=str(Path(out).parent),
        save_checkpoint=save_checkpoint,
        logger=logging.getLogger(),
    )
    try:
        loop._leave()
    except SystemExit as stop:
        written = Path(out).with_name('iter_20.pth').exists()
        leave(out, rank, dict(code=stop.code, written=written))


if __name__ == '__main__':
    main(sys.argv[1])
