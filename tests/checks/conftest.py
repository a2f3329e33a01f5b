"""What several files of these tests take as given: both frameworks, started."""

from collections.abc import Iterator
from typing import Any

import pytest

from parity.runners.remote import both_frameworks


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Any, Any]]:
    """Both frameworks, started once: a process takes any number of models, one after another."""
    with both_frameworks() as processes:
        yield processes
