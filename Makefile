# make check      prove that resnet50 is the same function in both frameworks
# make test       lint, types and tests, without the exhaustive ones
# make test-all   the same with the exhaustive ones
# make lint       ruff and mypy          make format   let ruff rewrite
# make bench      the benchmarks         make pictures the pictures in docs/ (needs Chromium)
# make clean      remove all that these made, .venv too
#
# The first run installs what constraints.txt pins into .venv; later ones only after it or pyproject.toml changed.

PYTHON ?= python3
PY := .venv/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: check test test-all lint pytest pytest-all format bench pictures clean

check: .venv/.runtime
	$(PY) -m parity.check resnet50

test: lint pytest
test-all: lint pytest-all

lint: .venv/.test
	cmp resnet_torch/configs.py resnet_keras/configs.py
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

# Most of a test is one thread that traces and compiles, so two tests run side by side; a file's tests share what they made.
PYTEST := $(PY) -m pytest --numprocesses 2 --dist loadfile

pytest: .venv/.test
	$(PYTEST)

pytest-all: .venv/.test
	$(PYTEST) -m ""

format: .venv/.test
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

bench: .venv/.test
	$(PY) -m benchmarks

pictures: .venv/.test
	$(PY) -m benchmarks.pictures

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0])'
	@echo "Installing PyTorch, TensorFlow and Keras into .venv; the first time this takes some minutes."
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/.test: .venv/.runtime
	$(INSTALL) --editable ".[test]"
	$(INSTALL) --no-deps torchvision || echo "torchvision could not be installed (see above): the tests against it are skipped."
	@touch $@
