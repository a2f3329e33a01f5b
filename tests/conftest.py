"""What must stand before torch and TensorFlow are first imported: their settings, and what torch loads late."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# OpenMP reads it when torch is loaded: threads that wait for the next small sum asleep, rather than awake on the cores
# of the test beside. They are as many as before, and the numbers the same; the processor time is half.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch  # noqa: F401 - first, so that nothing of it is missing beside TensorFlow

import parity  # noqa: F401 - whose import hook loads triton before TensorFlow, see parity.frameworks.triton_first

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# A file is one worker's: the longest come first, or the other would wait for the last.
LONGEST = (
    "frameworks/test_kinds.py",
    "checks/test_lockstep.py",
    "causes/test_faults.py",
    "frameworks/test_backends.py",
    "twins/test_norms.py",
    "twins/test_layers.py",
    "twins/test_fold.py",
    "checks/test_gradients.py",
    "cli/test_check.py",
    "cli/test_train.py",
    "examples/test_examples.py",
    "twins/test_grouped.py",
    "checkpoints/test_naming.py",
    "cli/test_inputs.py",
    "checks/test_own_steps.py",
    "twins/test_keras_saved.py",
    "examples/test_notebooks.py",
    "twins/test_backends.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files named in LONGEST first, in that order; the others and each file's tests stay in theirs."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_walked_once() -> Iterator[None]:
    """Modules, traced functions and networks that a file leaves are millions of objects, and no garbage any more.

    To walk them again at every collection took a tenth of all tests' time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_framework(request: pytest.FixtureRequest) -> Iterator[None]:
    """A quick test starts none: `make fast` would wait for it."""
    before = {name for name in ("tensorflow", "jax") if name in sys.modules}
    yield
    if request.node.get_closest_marker("quick"):
        assert {name for name in ("tensorflow", "jax") if name in sys.modules} == before
