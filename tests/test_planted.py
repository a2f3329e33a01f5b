"""The table of planted faults: every row fits a network, and one of each form is planted and seen."""

import re

import pytest

from benchmarks.planted import EDITS, WEIGHTS, places, planted as planted_at
from benchmarks.planting import check


@pytest.fixture(scope="module")
def planted() -> list[str]:
    return places()


def test_every_row_has_a_place(planted: list[str]) -> None:
    rows = {(side, name) for _, side, name, *_ in (place.split(".") for place in planted)}
    assert {(edit.side, edit.name) for edit in EDITS} <= rows
    assert {(side, weight.name) for weight in WEIGHTS for side in ("torch", "keras")} <= rows


@pytest.mark.parametrize("fault", [r"^unet\.torch\.batch norm eps", r"^unet\.keras\.bias doubled"])
def test_a_fault_is_caught(planted: list[str], fault: str) -> None:
    place = next(each for each in planted if re.search(fault, each))
    row = check(planted_at([place]))
    assert [row[name] for name in ("caught", "first", "cause", "others")] == [True] * 4, row
