# The first run installs what constraints.txt pins into .venv; later ones only after it or pyproject.toml changed.

PYTHON ?= python3
PY := .venv/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help check test test-all fast lint pytest pytest-all pytest-fast format bench pictures clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

check: .venv/.runtime ## prove that resnet50 is the same function in both frameworks
	$(PY) -m parity.check resnet50

test: lint pytest ## lint, types and tests, without the exhaustive ones
test-all: lint pytest-all ## the same with the exhaustive ones
fast: lint pytest-fast ## lint, types and the tests that start no framework, in a minute

lint: .venv/.test ## ruff and mypy
	cmp resnet_torch/configs.py resnet_keras/configs.py
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

# Most of a test is one thread that traces and compiles, so two tests run side by side; a file's tests share what they made.
# The files come in the order of tests/conftest.py, the longest first, not in that of their numbers of tests.
PYTEST := $(PY) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

pytest: .venv/.test
	$(PYTEST)

# The files whose tests start no framework: to read the others costs ten seconds by itself.
pytest-fast: .venv/.test
	$(PY) -m pytest $$(grep -rl "^pytestmark = pytest.mark.quick" tests) -m "quick and not slow"

pytest-all: .venv/.test
	$(PYTEST) -m ""

format: .venv/.test ## let ruff rewrite
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

bench: .venv/.test ## the benchmarks
	$(PY) -m benchmarks

pictures: .venv/.test ## the pictures in docs/ (needs Chromium)
	$(PY) -m benchmarks.pictures

clean: ## remove all that these made, .venv too
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
