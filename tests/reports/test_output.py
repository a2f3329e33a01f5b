"""A command's file appears whole, with the user's usual permissions, or not at all."""

import os
from pathlib import Path

import pytest

from parity import compare
from parity.errors import UnwritableError
from parity.reports import outputs
from parity.reports.files import check_writable, write_text

pytestmark = pytest.mark.quick


def test_it_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    before = os.umask(0o027)
    try:
        write_text("--output", str(path), "new")
    finally:
        os.umask(before)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_its_place_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(UnwritableError, match=r"--output .*page.html must be a file that can be written"):
        write_text("--output", str(tmp_path / "page.html"), "new")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_missing_folder_is_known_before(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match="must be in a folder that can be written to"):
        check_writable("--json", str(tmp_path / "no" / "x.json"))
    check_writable("--json", "-")
    check_writable("--json", None)


def test_an_output_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is an option of the commands, is refused before a run, and is written."""
    row = outputs.Output(
        "--verdict", "write the verdict", lambda document, command: f"{command}: {document['verdict']}"
    )
    monkeypatch.setattr(outputs, "OUTPUTS", (*outputs.OUTPUTS, row))
    asked = compare.parser().parse_args(["torch.trace", "keras.trace", "--verdict", str(tmp_path / "said.txt")])
    asked.command = "compare"
    outputs.check(asked)
    outputs.write(asked, {"verdict": "match"})
    assert (tmp_path / "said.txt").read_text() == "compare: match"
    asked.verdict = str(tmp_path / "missing" / "said.txt")
    with pytest.raises(UnwritableError, match="--verdict"):
        outputs.check(asked)
