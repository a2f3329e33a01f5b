"""One browser for all tests of the pages."""

from collections.abc import Iterator
from typing import Any

import pytest

from .browser import launched


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made
