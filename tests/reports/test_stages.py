"""The table of stages: a name stands once, whatever runs between its layers."""

import numpy as np
import pytest

from parity.checks.report import Report
from parity.models.steps import StepInfo
from parity.reports.terminal.table import stages
from parity.verdict.difference import difference
from parity.verdict.results import LayerResult

pytestmark = pytest.mark.quick

ZERO = difference(np.zeros(2), np.zeros(2))


def names(*paths: str) -> list[tuple[str, int]]:
    rows = (LayerResult(StepInfo(path, path, "relu", (2, 3)), {}, *[ZERO] * 5, ()) for path in paths)
    return [(name, len(group)) for name, group in stages(Report("net", tuple(rows)))]


def test_a_stem_stages_and_a_head() -> None:
    assert names("conv1", "layer1.a", "layer1.b", "layer2.a", "fc") == [
        ("stem", 1),
        ("layer1", 2),
        ("layer2", 1),
        ("head", 1),
    ]


def test_branches_that_alternate_are_a_row_each() -> None:
    assert names("a.conv", "b.conv", "a.norm", "b.norm", "out") == [("a", 2), ("b", 2), ("head", 1)]


def test_a_loose_layer_between_stands_with_what_is_before_it() -> None:
    assert names("x", "a.conv", "relu", "a.norm", "b.conv", "fc") == [("stem", 1), ("a", 3), ("b", 1), ("head", 1)]


def test_without_stages_all_is_one() -> None:
    assert names("conv", "relu", "fc") == [("stem", 3)]
