# setsum: `make study` runs the main job, `make test` passes the tests, `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
OUT ?= setsum-study
SECONDS ?= 600
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
NAMES ?=

.PHONY: help study test test-slow kill-matrix bench docs fuzz check audit format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

study: $(VENV)/.runtime ## run the quick study on a phantom cohort, into setsum-study/ (OUT=DIR for another folder)
	$(BIN)/setsum run --out $(OUT)

test: $(VENV)/.dev ## run the tests, two files at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile

test-slow: $(VENV)/.dev ## run the checks that take minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow

kill-matrix: $(VENV)/.dev ## kill studies everywhere, resume and compare them (half an hour)
	$(BIN)/python tests/kills/matrix.py

bench: $(VENV)/.bench ## measure speed against peers and bounds (NAMES='step sweep': only those)
	$(BIN)/python -m benchmarks $(NAMES)

docs: $(VENV)/.dev ## build the documentation into docs/_build/html, warnings being errors, without a network
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

fuzz: $(VENV)/.fuzz ## fuzz the reading of NIfTI files for SECONDS=600
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/fuzz_nifti.py -max_total_time=$(SECONDS)

check: $(VENV)/.dev ## format, lint, types, layers and tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

audit: $(VENV)/.audit ## known vulnerabilities of constraints.txt; asks the package index and fails without an answer
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## delete the environment and caches (studies stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.runtime
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/.fuzz: $(VENV)/.runtime
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[fuzz]'
	@touch $@

# An environment of its own: the auditor's requirements are none of ours.
$(VENV)/.audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install -q pip-audit==2.10.1
	@touch $@
