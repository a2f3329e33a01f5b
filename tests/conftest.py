"""What must stand before TensorFlow is first imported: its settings, and torch with all that it loads late."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
import torch  # noqa: F401 - first, so that nothing of it is missing beside TensorFlow

import parity  # noqa: F401 - whose import hook loads triton before TensorFlow, see parity.frameworks.triton_first

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# The files that take longest by themselves: started last, one would run on while the other core has nothing left to do.
LONGEST = (
    "frameworks/test_backends.py",
    "twins/test_grouped.py",
    "checks/test_lockstep.py",
    "causes/test_faults.py",
    "frameworks/test_kinds.py",
    "examples/test_examples.py",
    "cli/test_train.py",
    "cli/test_check.py",
    "twins/test_fold.py",
    "checks/test_gradients.py",
    "twins/test_layers.py",
    "runners/test_traces.py",
    "checks/test_own_steps.py",
    "twins/test_backends.py",
    "examples/test_notebooks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, in this order."""
    places = {f"tests/{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


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
