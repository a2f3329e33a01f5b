"""A file is read in one go: none has more than 300 lines but those named here."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.quick
ROOT = Path(__file__).parents[1]
MOST = 300
TABLES = {"tests/causes/planting.py", "tests/checks/pairs.py", "tests/checks/training_models.py"}


def too_long(root: Path) -> set[str]:
    """The files of the packages and their tests that have too many lines, by their paths."""
    files = (file for folder in ("parity", "resnet_*", "tests") for file in root.glob(f"{folder}/**/*.py"))
    return {file.relative_to(root).as_posix() for file in files if len(file.read_text().splitlines()) > MOST}


def test_no_file_is_too_long() -> None:
    """Nor is one excepted that is short."""
    assert too_long(ROOT) == TABLES


def test_a_line_too_many_is_seen(tmp_path: Path) -> None:
    for name, lines in (("fits", MOST), ("longer", MOST + 1)):
        (tmp_path / "parity" / "room").mkdir(parents=True, exist_ok=True)
        (tmp_path / "parity" / "room" / f"{name}.py").write_text("pass\n" * lines)
    assert too_long(tmp_path) == {"parity/room/longer.py"}
