"""A third framework beside torch: a folder with a Side is all that the same checks need of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from parity.checks.forward import compare_sides
from parity.checks.options import Options
from parity.checks.report import Report
from parity.errors import ParityError
from parity.frameworks.adapter import adapter, framework_of, frameworks, title
from parity.models.probes import probe_input
from parity.reports.terminal.check import text
from parity.runners.local import LocalRunner
from parity.runners.process import SideProcess
from parity.runners.recording import Shelf
from parity.runners.remote import RemoteRunner
from parity.runners.runner import Runner

NUMPY = "tests.frameworks.numpy_adapter"
TORCH = "tests.frameworks.twins:small"
X = probe_input((2, 3, 11, 10), 0)


@contextmanager
def processes(torch: str, other: str) -> Iterator[tuple[Runner, Runner]]:
    shelf = Shelf()
    started = [SideProcess("torch", torch, shelf.descriptor), SideProcess(NUMPY, other, shelf.descriptor)]
    try:
        first, second = (RemoteRunner(process, shelf) for process in started)
        yield first, second
    finally:
        for process in started:
            process.end()


def compared(torch: Runner, other: Runner, dtype: str = "float32", gradients: bool = False) -> Report:
    options = Options(dtype=dtype, randomize=True, gradients=gradients)
    return compare_sides("NumPy", X, torch, other, options, lambda *_: None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_networks_match(dtype: str) -> None:
    with processes(TORCH, f"{NUMPY}.models:small") as (torch, other):
        report = compared(torch, other, dtype)
    assert report.ok, text(report)
    assert [row.path for row in report.layers if row.kind == "batch_norm"] == ["bn1", "block.bn1", "block.bn2"]
    assert {"conv1", "block.conv2", "fc", "output"} <= {row.path for row in report.layers}
    assert "block.relu2<0" in {row.step.key for row in report.layers}  # the sum of the block
    assert report.environment["keras"]["numpy"] == np.__version__


def test_a_fault_is_found_and_named() -> None:
    with processes(TORCH, f"{NUMPY}.models:other_epsilon") as (torch, other):
        report = compared(torch, other)
    assert not report.ok
    assert report.first == "block.bn1"
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("BN eps", "block.bn1")


def test_in_this_process() -> None:
    sides = (adapter("torch"), "tests.frameworks.twins"), (adapter(NUMPY), f"{NUMPY}.models")
    shelf = Shelf()
    torch, other = (LocalRunner(each.open(f"{home}:small", 0, "cpu", False), shelf) for each, home in sides)
    assert compared(torch, other).ok


def test_what_it_cannot_do_is_one_sentence() -> None:
    with processes(TORCH, f"{NUMPY}.models:small") as (torch, other), pytest.raises(ParityError) as raised:
        compared(torch, other, gradients=True)
    assert str(raised.value) == (
        "gradients need a framework that differentiates, and NumPy does not; leave --gradients out"
    )


def test_a_model_that_cannot_be_built() -> None:
    """Also where it raises what a closed connection raises."""
    with processes(TORCH, f"{NUMPY}.models:failing") as (torch, other), pytest.raises(ParityError) as raised:
        compared(torch, other)
    assert str(raised.value) == (
        f"the {NUMPY} model {NUMPY}.models:failing must be built, and raised FileNotFoundError: no such weights; "
        "run it alone first"
    )


def test_frameworks_are_found_by_their_folders() -> None:
    from .numpy_adapter.models import small
    from .twins import small as torch_small

    assert frameworks() == ["keras", "torch"]
    assert (title("keras"), title(NUMPY)) == ("Keras", "NumPy")
    assert framework_of(torch_small()) == "torch"
    assert framework_of(small()) is None  # it is not in that folder, and known by its full name alone
