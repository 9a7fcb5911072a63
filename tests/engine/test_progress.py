"""A run whose log is silent says how far it is."""

import logging

import pytest

from mmdmcp.engine.progress import ProgressLines, progress_lines


class Run:
    """A runner of so many iterations, its log, and a clock."""

    def __init__(self, max_iters):
        self.now, self.iter, self.max_iters = 0.0, 0, max_iters
        self.logger = logging.Logger('run')
        self.said, self.hooks = [], []
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        self.logger.addHandler(handler)

    def register_hook(self, hook):
        self.hooks.append(hook)

    def train(self, lines, iterations, seconds):
        for _ in range(iterations):
            self.now += seconds
            lines.after_train_iter(self, 0)
            self.iter += 1


@pytest.fixture
def run():
    return Run(max_iters=100)


@pytest.fixture
def lines(run):
    lines = ProgressLines(seconds=10, clock=lambda: run.now)
    lines._watch = lambda: None  # the test asks when to speak
    lines.attach(run)
    yield lines
    lines.detach()


def wait(run, lines, seconds):
    """Second by second; what is said."""
    before = len(run.said)
    for _ in range(seconds):
        run.now += 1
        lines.speak()
    return run.said[before:]


def test_the_time_between_lines_doubles_while_nothing_moves(run, lines):
    assert wait(run, lines, 9) == []
    assert wait(run, lines, 1) == ['starting, 10 s so far']
    lines.before_train(run)
    assert wait(run, lines, 75) == [
        '0 of 100 iterations are done, the next one has run for 10 s',
        '0 of 100 iterations are done, the next one has run for 30 s',
        '0 of 100 iterations are done, the next one has run for 1 min 10 s',
    ]


def test_a_log_that_speaks_is_left_alone(run, lines):
    lines.before_train(run)
    for _ in range(5):
        assert wait(run, lines, 9) == []
        run.logger.info('a line of its own')
        run.said.clear()


def test_after_the_first_iterations_the_length_is_known(run, lines):
    """The first one, which warms up, does not count, nor does validation."""
    lines.before_train(run)
    run.train(lines, 1, 50)
    run.train(lines, 2, 4)
    lines.before_val_epoch(run)
    run.now += 1000
    lines.after_val_epoch(run)
    run.train(lines, 2, 4)
    assert run.said == []
    run.train(lines, 1, 4)
    assert run.said == [
        '4.0 s an iteration: about 6 min 16 s for the 94 that are left, validation '
        'not counted'
    ]
    assert wait(run, lines, 10) == [
        '6 of 100 iterations are done, the next one has run for 10 s; 4.0 s each, '
        'about 6 min 16 s left'
    ]
    lines.after_train(run)
    assert wait(run, lines, 10) == ['making the result, 10 s so far']


def test_an_estimate_that_was_wrong_is_made_again():
    """The first iterations of a search may be slow; a pace that stays is not told
    twice."""
    run = Run(max_iters=2000)
    lines = ProgressLines(seconds=10, clock=lambda: run.now)
    lines._watch = lambda: None
    lines.attach(run)
    lines.before_train(run)
    run.train(lines, 6, 9)
    run.train(lines, 90, 3)
    assert len(run.said) == 1
    run.train(lines, 5, 3)
    assert run.said[1:] == [
        '3.0 s an iteration now: about 1 h 34 min for the 1899 that are left, '
        'validation not counted'
    ]
    run.train(lines, 1000, 3.5)
    assert len(run.said) == 2
    (line,) = wait(run, lines, 10)
    assert line.endswith('3.5 s each, about 52 min 26 s left')
    lines.detach()


def test_lines_end_with_the_run(run):
    """However it ends."""
    run.logger.handlers = run.logger.handlers[:1]
    with pytest.raises(RuntimeError):
        with progress_lines(run):
            (hook,) = run.hooks
            assert len(run.logger.handlers) == 2
            raise RuntimeError
    assert hook._over.is_set() and len(run.logger.handlers) == 1


def test_a_slow_run_is_heard():
    """By the thread, in real time."""
    run = Run(max_iters=3)
    lines = ProgressLines(seconds=0.05)
    lines.attach(run)
    try:
        lines.before_train(run)
        for _ in range(100):
            if run.said:
                break
            lines._over.wait(0.05)
    finally:
        lines.detach()
    assert run.said[0].startswith('0 of 3 iterations are done')
