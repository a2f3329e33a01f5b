"""What nobody foresaw: exit 2 and one sentence, wherever it is raised; a traceback for who asks for one."""

import json
from pathlib import Path
from typing import Any

import pytest

import parity
import parity.capture
import parity.checks.target
import parity.checks.traces
import parity.compare
import parity.sidebyside
import parity.train
from parity.check import main
from parity.checks.report import Report
from parity.cli import guarded
from parity.errors import InternalError, UnmatchedError

pytestmark = pytest.mark.quick


def planted(*args: Any, **kwargs: Any) -> Any:
    raise KeyError("padding")


def one_sentence(capsys: Any, command: str) -> str:
    out, error = capsys.readouterr()
    (line,) = error.splitlines()
    assert out == ""
    assert line.startswith(
        f"{command}: the check itself failed, which says nothing about the models: KeyError: 'padding' ("
    )
    assert len(line) <= 600 + len(command) + 2
    return str(line)


def test_in_the_comparison(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(parity.checks.target, "check_target", planted)
    assert main(["resnet18", "--json", str(tmp_path / "r.json")]) == 2
    line = one_sentence(capsys, "parity.check")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["verdict"] == "error"
    assert document["message"] in line


def test_in_the_report(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(parity.checks.target, "check_target", lambda *args: Report("resnet18"))
    monkeypatch.setattr(Report, "to_json", planted)
    assert main(["resnet18"]) == 2
    one_sentence(capsys, "parity.check")


def test_where_even_the_error_cannot_be_written(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    import parity.reports.outputs

    monkeypatch.setattr(parity.checks.target, "check_target", planted)
    monkeypatch.setattr(parity.reports.outputs, "write_text", planted)
    assert main(["resnet18", "--json", str(tmp_path / "r.json")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_with_all_the_others_are_checked(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    from parity.models import targets

    monkeypatch.setattr(targets, "variants", lambda: ["resnet18", "resnet34"])
    monkeypatch.setattr(parity.checks.target, "check_target", planted)
    assert main(["--all", "--json", str(tmp_path / "r.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert [one["target"] for one in json.loads((tmp_path / "r.json").read_text())] == ["resnet18", "resnet34"]


def test_a_traceback_for_who_asks(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(parity.checks.target, "check_target", planted)
    monkeypatch.setenv("PARITY_DEBUG", "1")
    assert main(["resnet18"]) == 2
    error = capsys.readouterr().err
    assert "Traceback (most recent call last)" in error
    assert error.splitlines()[-1].startswith("parity.check: the check itself failed")


def test_every_command(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(parity.train, "train", planted)
    assert parity.train.main(["resnet18"]) == 2
    one_sentence(capsys, "parity.train")
    monkeypatch.setattr(parity.checks.traces, "compare", planted)
    assert parity.compare.main(["a", "b"]) == 2
    one_sentence(capsys, "parity.compare")
    monkeypatch.setattr(parity.checks.traces, "capture", planted)
    assert parity.capture.main(["resnet18", "--framework", "torch", "--output", "x"]) == 2
    one_sentence(capsys, "parity.capture")
    monkeypatch.setattr(parity.sidebyside, "require", planted)
    assert parity.sidebyside.main([]) == 2
    one_sentence(capsys, "parity.sidebyside")
    from parity.convert import main as convert

    monkeypatch.setattr(parity, "convert", planted)
    assert convert(["a.pth", "b.pth"]) == 2
    one_sentence(capsys, "parity.convert")


def test_a_refusal_keeps_its_lists_in_the_json(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    names = [f"layer{number}" for number in range(300)]

    def refuse(*args: Any) -> None:
        raise UnmatchedError(f"no partner for {', '.join(names)}; pass an input x", names, [])

    monkeypatch.setattr(parity.checks.target, "check_target", refuse)
    assert main(["resnet18", "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) <= 620
    assert line.endswith("; pass an input x")
    assert json.loads((tmp_path / "r.json").read_text())["unmatched"] == {"torch": names, "keras": []}
    assert "layer299" in (tmp_path / "r.html").read_text()


def test_a_reader_that_goes_away(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    def gone(arguments: Any) -> int:
        raise BrokenPipeError

    class Out:
        def fileno(self) -> int:
            import os

            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr(sys, "stdout", Out())
    assert guarded("parity.check", gone, None) == 2  # type: ignore[arg-type]


def test_in_python_the_cause_is_chained(monkeypatch: pytest.MonkeyPatch) -> None:
    import parity.checks.memory

    monkeypatch.setattr(parity.checks.memory, "check_models", planted)
    with pytest.raises(InternalError, match=r"the check itself failed, .*'padding'") as caught:
        parity.check(None, None, None)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(InternalError):
        parity.assert_parity(None, None, None)
    with pytest.raises(TypeError):
        parity.check(None)  # type: ignore[call-arg]
