"""What several files of these tests take as given: one browser, and the page of a mismatch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.reports.pages.report_page import report_page

from .browser import launched
from .documents import mismatch
from .reported import COMMAND


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(mismatch(), COMMAND))
    return path
