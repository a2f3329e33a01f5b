"""A disk that is full, nearly full or read-only, and paths that are no files: one sentence, nothing lost."""

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import GOOD
from .helpers import PYTHON, ROOT, convert


@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5", ".h5", ".pth", ".keras"])
def test_full_disk(tmp_path: Path, valid: dict[str, Path], suffix: str) -> None:
    """No file may grow beyond 300 KB: the good destination stays, nothing else is left, one sentence is said."""
    goal = tmp_path / f"out{suffix}"
    goal.write_bytes(GOOD)
    code = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from parity.convert import main\nsys.exit(main(sys.argv[1:]))"
    )
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [PYTHON, "-c", code, str(valid[".safetensors"]), str(goal)]
    done = subprocess.run(command, capture_output=True, text=True, env=settings, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("parity.convert: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert goal.read_bytes() == GOOD
    assert [path.name for path in tmp_path.iterdir()] == [goal.name]


def test_too_little_room_is_seen_before_writing(
    tmp_path: Path, valid: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert convert(valid[".safetensors"], tmp_path / "out.pth") == 2
    assert "its disk has 1000; make room" in capsys.readouterr().err


def test_read_only_destination(valid: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc takes no files from anyone; an ordinary folder without the write bit takes none from ordinary users."""
    places = [Path("/proc")]
    if os.geteuid():
        tmp_path.chmod(0o500)
        places.append(tmp_path)
    for place in places:
        assert convert(valid[".safetensors"], place / "out.weights.h5") == 2
        err = capsys.readouterr().err
        assert "must be writable" in err
        assert err.count("\n") == 1
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("what", ["fifo", "folder", "dangling"])
def test_sources_that_are_no_files(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.h5"
    {"fifo": os.mkfifo, "folder": os.mkdir, "dangling": lambda p: os.symlink("nowhere", p)}[what](path)
    assert convert(path, tmp_path / "out.safetensors") == 2
    assert "SOURCE must be a checkpoint file" in capsys.readouterr().err
