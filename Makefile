# make demo   from a fresh clone: environment, search, retraining, one table.
# make help   what else there is.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DOWNSTREAM := .venv-downstream
DOWNSTREAM_STAMP := $(DOWNSTREAM)/.installed
# mmcv with its operators, ready built; made from source where there is none.
WHEELS ?= ../shared/wheels

# The first of these that really starts: 3.11 is the version tested most.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
	2>/dev/null && { command -v "$$p"; break; }; done)

# One that was asked for must exist, also where nothing is left to do.
ifeq ($(origin PYTHON),command line)
ifeq ($(shell command -v "$(PYTHON)"),)
$(error There is no Python at $(PYTHON))
endif
endif

PIP_INSTALL = -m pip install -q --no-build-isolation -c .ci/constraints.txt
INPUTS := setup.py pyproject.toml .ci/constraints.txt
PYTEST_ARGS ?=
# Test files at a time: each test uses one thread.
JOBS ?= auto

# Below this, tests of something are missing.
COVERAGE := 93

DOCS_STAMP := $(VENV)/.docs

.PHONY: help env fuzz coverage docs demo demo-gate demo-importance lint test test-slurm env-downstream test-downstream clean
.DELETE_ON_ERROR:

help:
	@echo 'make env              create $(VENV) and install everything (about 5 GB)'
	@echo 'make demo             DMCP search, subnet file and retraining on real digits'
	@echo 'make demo-gate        the same with trainable gates'
	@echo 'make demo-importance  the same by importance'
	@echo 'make lint             style, spelling and types'
	@echo 'make test             run the tests; PYTEST_ARGS="-k name" selects'
	@echo 'make coverage         the same, and which lines they run; below $(COVERAGE) % fails'
	@echo 'make fuzz             random options and networks, FUZZ=1000 of each'
	@echo 'make test-slurm       start a one-machine Slurm and submit a search to it'
	@echo 'make test-downstream  detection and segmentation, in $(DOWNSTREAM)'
	@echo 'make docs             build the documentation site into work_dirs/site'
	@echo 'make clean            remove the environments and what was built'
	@echo 'PYTHON=/path/to/python3.11 chooses the interpreter'

env: $(STAMP)

demo: $(STAMP)
	$(PY) tools/demo.py

demo-gate: $(STAMP)
	$(PY) tools/demo.py --method gate

demo-importance: $(STAMP)
	$(PY) tools/demo.py --method importance

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy

test: $(STAMP)
	$(PY) -m pytest tests --ignore=tests/slurm --ignore=tests/downstream \
	  -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

# Counting lines takes up to as long again as the tests that run them.
coverage: $(STAMP)
	$(MAKE) test PYTEST_ARGS='--cov --cov-report=term --cov-fail-under=$(COVERAGE)'

# Tries as many of each kind as FUZZ says; `make test` tries a few.
FUZZ ?= 1000
fuzz: $(STAMP)
	MMDMCP_FUZZ=$(FUZZ) $(PY) -m pytest tests/fuzz -n $(JOBS) --timeout=0 $(PYTEST_ARGS)

test-slurm: $(STAMP)
	sh tests/slurm/install.sh
	$(PY) -m pytest tests/slurm $(PYTEST_ARGS)

# The package is read from here, not imported.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(VENV)/bin/mkdocs build --strict -q

env-downstream: $(DOWNSTREAM_STAMP)

test-downstream: $(DOWNSTREAM_STAMP)
	$(DOWNSTREAM)/bin/python -m pytest tests/downstream $(PYTEST_ARGS)

# An environment can't be moved: one that was made elsewhere is made anew.
define fresh_venv
	@test -n "$(PYTHON)" || { echo 'No Python 3.10, 3.11 or 3.12 found:' \
	  'install one, or name it: make env PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Creating $(1) with $(PYTHON) and installing; this takes a minute or two'
	"$(PYTHON)" -m venv --clear $(1)
	$(1)/bin/python -m pip install -q -c .ci/constraints.txt setuptools wheel
endef

$(STAMP): $(INPUTS)
	$(call fresh_venv,$(VENV))
	$(PY) $(PIP_INSTALL) -e '.[lite,onnx,dev]'
	@echo '$(CURDIR)' > $@

$(DOCS_STAMP): $(STAMP)
	$(PY) $(PIP_INSTALL) -e '.[docs]'
	touch $@

# mmcv-lite and mmcv must not meet, hence a second environment. mmcv compiles
# against the torch that is installed, hence torch first. mmpose asks for chumpy,
# which it runs without and which does not build; the wheels of xtcocotools are
# for numpy 1.
$(DOWNSTREAM_STAMP): $(INPUTS)
	$(call fresh_venv,$(DOWNSTREAM))
	$(DOWNSTREAM)/bin/python $(PIP_INSTALL) torch torchvision
	@$(DOWNSTREAM)/bin/python $(PIP_INSTALL) --no-deps --no-index \
	  --find-links '$(WHEELS)' mmcv 2>/dev/null || { \
	  echo 'Building mmcv from source: about 8 minutes'; \
	  $(DOWNSTREAM)/bin/python $(PIP_INSTALL) ninja && \
	  MMCV_WITH_OPS=1 MAX_JOBS=2 CFLAGS=-g0 \
	  $(DOWNSTREAM)/bin/python $(PIP_INSTALL) --no-deps mmcv; }
	$(DOWNSTREAM)/bin/python $(PIP_INSTALL) -e '.[downstream,onnx,dev]'
	@$(DOWNSTREAM)/bin/python $(PIP_INSTALL) cython && \
	  $(DOWNSTREAM)/bin/python $(PIP_INSTALL) --no-deps --no-binary xtcocotools \
	  mmpose json_tricks munkres xtcocotools || \
	  echo 'No mmpose: xtcocotools did not compile; tests of pose will be skipped'
	@echo '$(CURDIR)' > $@

ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
ifneq ($(shell cat $(DOWNSTREAM_STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(DOWNSTREAM_STAMP)
endif

clean:
	rm -rf $(VENV) $(DOWNSTREAM) build dist *.egg-info .pytest_cache .hypothesis
	find mmdmcp tools tests configs benchmarks -name __pycache__ -type d -prune \
	  -exec rm -rf {} + 2>/dev/null || true
