# Everything from a fresh clone, with python3 and make and nothing else:
#   make run     the main job: three perceptron panels and the digits mosaic into out/
#   make test    all tests but the slow ones
# Paths in here are relative on purpose: the clone may lie anywhere, also where a name has spaces.

PYTHON ?= python3
# more pytest options, e.g. make test PYTEST_FLAGS="-k door"
PYTEST_FLAGS ?=
WORKERS ?= 2
LAYERS = tests/unit tests/contract tests/golden tests/statistical tests/e2e
PYTEST = .venv/bin/python -m pytest --durations=40 -n $(WORKERS) --dist worksteal

.PHONY: help setup run test slow lint format types benchmark docs clean

help:
	@sed -n 's/^## //p' Makefile

## make setup      .venv with the package, its tests and tools, at the versions of constraints.txt
setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt hatchling editables
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev]"
	@touch .venv/installed

## make run        the main job into out/, with the table of thresholds printed
run: setup
	.venv/bin/solvable gallery main --out out

## make test       all tests but the slow ones, layer by layer
test: setup
	$(PYTEST) -m "not slow" $(PYTEST_FLAGS) $(LAYERS)

## make slow       the slow tests
slow: setup
	$(PYTEST) -m slow $(PYTEST_FLAGS) $(LAYERS)

## make lint       ruff: rules and formatting
lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

## make format     ruff: repair what can be repaired
format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

## make types      pyright on src
types: setup
	.venv/bin/pyright

## make benchmark  timings against their references, one JSON document
benchmark: setup
	.venv/bin/python -m benchmarks

## make docs       the documents as HTML in docs/_build/html
docs: .venv/installed-docs
	.venv/bin/python -m sphinx -q -W -b html docs docs/_build/html

.venv/installed-docs: .venv/installed
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[docs]"
	@touch .venv/installed-docs

## make clean      remove .venv, out and built documents
clean:
	rm -rf .venv out docs/_build
