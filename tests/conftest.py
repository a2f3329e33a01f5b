"""What must stand before TensorFlow is first imported: its settings, and torch with all that it loads late."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
import torch  # noqa: F401 - first, so that nothing of it is missing beside TensorFlow

import parity  # noqa: F401 - whose import hook loads triton before TensorFlow, see parity.frameworks.triton_first

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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
