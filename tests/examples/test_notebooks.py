"""The committed notebooks are those that examples.notebooks makes, run without an error, and name no machine."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from examples import command, notebooks

NAMES = tuple(notebooks.NOTEBOOKS)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def sources(notebook: Any) -> list[tuple[str, str, str]]:
    return [(cell["id"], cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_up_to_date(name: str) -> None:
    made, kept = notebooks.build(name), read(notebooks.HERE / f"{name}.ipynb")
    assert sources(kept) == sources(made), "run `python -m examples.notebooks`"
    assert kept.metadata == made.metadata
    nbformat.validate(kept)


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_was_run_and_names_no_machine(name: str) -> None:
    cells = [cell for cell in read(notebooks.HERE / f"{name}.ipynb").cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    texts = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs]
    assert not re.search(r"(^|[\s'\"])(/[a-z]+/|[A-Z]:\\)", "\n".join(texts))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "tour" else ()) for name in NAMES]
)
def test_notebook_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(notebooks.main, "notebooks", [name, "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / name}.ipynb\n"
    ours, theirs = read(tmp_path / f"{name}.ipynb"), read(notebooks.HERE / f"{name}.ipynb")
    assert sources(ours) == sources(theirs)
    kinds = [[[o.output_type for o in cell.get("outputs", [])] for cell in n.cells] for n in (ours, theirs)]
    assert kinds[0] == kinds[1]


def test_a_cell_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(notebooks.NOTEBOOKS, "tour", "# Title\n%%\nprint(1 / 0)\n")
    assert command.run(notebooks.main, "notebooks", ["tour", "--output", str(tmp_path)]) == 2
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
