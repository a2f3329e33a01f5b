"""The loop that edits and checks again: what is proven stays, what is not is taken back; and a whole run of it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.checks.edits import edited
from parity.checks.mending import Mended, mended
from parity.checks.options import Options
from parity.checks.report import Report
from parity.errors import ParityError
from parity.models.edits import Change, Edit, changed
from parity.models.steps import StepInfo
from parity.verdict.cause import Cause
from parity.verdict.difference import Difference, difference
from parity.verdict.results import LayerResult, StaticDifference

ROOT = Path(__file__).parents[2]
ZERO = difference(np.zeros(2), np.zeros(2))
FAR = difference(np.ones(2), np.zeros(2))


def layer(path: str, ok: bool) -> LayerResult:
    found: Difference = ZERO if ok else FAR
    step = StepInfo(path, path, "relu", (2, 3))
    return LayerResult(step, {}, found, found, ZERO, ZERO, ZERO, () if ok else ("structure",))


class Program:
    """A file of settings, one a line, and what a check of it says: a layer is right if its line is "NAME right"."""

    def __init__(self, path: Path, text: str, proposed: dict[str, str], breaks: str = "") -> None:
        self.path, self.proposed, self.breaks, self.checks = path, proposed, breaks, 0
        path.write_text(text)

    def check(self, options: Options) -> Report:
        self.checks += 1
        text = dict(options.copy.texts).get(str(self.path), self.path.read_text())
        if self.breaks and self.breaks in text:
            raise ParityError("the model must be built, and raised SyntaxError")
        names = [line.split() for line in text.splitlines()]
        layers = tuple(layer(name, state == "right") for name, state in names)
        causes = tuple(self._cause(name, state, text) for name, state in names if state != "right")
        return Report("net", layers, environment={"dtype": "float64"}, causes=causes)

    def _cause(self, name: str, state: str, text: str) -> Cause:
        new = self.proposed.get(f"{name} {state}")
        start = text.index(f"{name} {state}")
        change = () if new is None else (Change(start, start + len(f"{name} {state}"), new),)
        edit = Edit("net.txt", 1, f"{name} {state}", new or "", str(self.path), change) if new else None
        return Cause(f"{state} setting", name, "", edit=edit)

    def mended(self, **options: Any) -> Mended:
        return mended(self.check, Options(**options))


def test_all_edits_at_once(tmp_path: Path) -> None:
    program = Program(tmp_path / "net.txt", "a wrong\nb wrong\n", {"a wrong": "a right", "b wrong": "b right"})
    found = program.mended()
    assert (found.ok, program.checks, len(found.edits)) == (True, 2, 2)
    assert dict(found.texts)[str(program.path)] == "a right\nb right\n"
    assert program.path.read_text() == "a wrong\nb wrong\n"  # nothing is written
    assert "-a wrong\n-b wrong\n+a right\n+b right\n" in found.patch


def test_one_cause_behind_another(tmp_path: Path) -> None:
    program = Program(tmp_path / "net.txt", "a wrong\n", {"a wrong": "a other", "a other": "a right"})
    found = program.mended()
    assert found.ok
    assert [cause.name for _, cause in found.edits] == ["wrong setting", "other setting"]


def test_an_edit_that_mends_nothing_is_taken_back(tmp_path: Path) -> None:
    program = Program(tmp_path / "net.txt", "a wrong\nb wrong\n", {"a wrong": "a right", "b wrong": "b wrong "})
    found = program.mended()
    assert not found.ok
    assert [cause.path for _, cause in found.edits] == ["a"]
    assert [cause.path for _, cause in found.refused] == ["b"]
    assert dict(found.texts)[str(program.path)] == "a right\nb wrong\n"
    document = found.to_json()
    assert (document["verdict"], len(document["mended"]), len(document["refused"])) == ("mismatch", 1, 1)
    assert document["patch"] == found.patch


def test_an_edit_that_breaks_the_model_is_taken_back(tmp_path: Path) -> None:
    proposed = {"a wrong": "a broken", "b wrong": "b right"}
    found = Program(tmp_path / "net.txt", "a wrong\nb wrong\n", proposed, breaks="broken").mended()
    assert [cause.path for _, cause in found.edits] == ["b"]
    assert [cause.path for _, cause in found.refused] == ["a"]


def test_an_edit_that_breaks_another_layer_is_taken_back(tmp_path: Path) -> None:
    """A line that makes two layers, of which one was right."""
    found = Program(tmp_path / "net.txt", "a wrong\nb right\n", {"a wrong": "a right\nb wrong"}).mended()
    assert not found.edits
    assert [cause.path for _, cause in found.refused] == ["a"]
    assert found.report.first == "a"


def test_it_ends(tmp_path: Path) -> None:
    """Two edits that call one another forth."""
    program = Program(tmp_path / "net.txt", "a wrong\n", {"a wrong": "a other", "a other": "a wrong"})
    assert not program.mended().ok
    assert program.checks < 40


def test_weights_are_carried_over_where_they_were_kept(tmp_path: Path) -> None:
    program = Program(tmp_path / "net.txt", "a right\n", {})
    plain = program.check

    def check(options: Options) -> Report:
        static = (StaticDifference("a", "weight", "at most 1", "1 away from it"),) if options.weights == "keep" else ()
        return replace(plain(options), static=static)

    found = mended(check, Options(weights="keep"))
    assert (found.ok, found.carried) == (True, ("a.weight",))
    assert not mended(check, Options(weights="keep"), carries=False).ok


def test_edits_are_of_the_text_as_it_is_by_then(tmp_path: Path) -> None:
    path = str(tmp_path / "a.py")
    edit = Edit("a.py", 1, "x", "y", path, (Change(0, 1, "y"),))
    assert edited([edit, edit], ((path, "x = 1"),)) == {path: "y = 1"}
    assert changed("ab", [Change(1, 1, "-"), Change(0, 1, "A")]) == "A-b"


PAIR = """
import keras
from torch import nn

def torch_model():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU())

def keras_model():
    return keras.Sequential([
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, 2, padding="same"),  # as it looked
        keras.layers.ReLU(),
    ])
"""


def test_a_whole_run(tmp_path: Path, mend: Callable[..., Any]) -> None:
    """The user's file is written at the end alone, and only where that was asked for."""
    (tmp_path / "pair.py").write_text(PAIR)
    target = ["--torch", "pair:torch_model", "--keras", "pair:keras_model", "--input-shape", "3,8,8"]
    done = mend(tmp_path, *target, "--in-place", "--patch", "a.diff")
    text = (tmp_path / "pair.py").read_text()
    assert done.returncode == 0, done.stderr
    assert "mended: asymmetric padding at 0, pair.py:11" in done.stdout
    assert "        keras.layers.ZeroPadding2D(1),\n" in text
    assert 'keras.layers.Conv2D(4, 3, 2, padding="valid"),  # as it looked' in text
    (tmp_path / "pair.py").write_text(PAIR)
    subprocess.run(["patch", "-p0", "-i", "a.diff"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "pair.py").read_text() == text


@pytest.fixture(name="mend")
def _mend() -> Callable[..., Any]:
    def run(folder: Path, *options: str) -> Any:
        command = [sys.executable, "-m", "parity.mend", *options]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    return run
