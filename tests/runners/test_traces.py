"""Two runs on two machines: captured one after the other, compared from their files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.capture import main as capture_main
from parity.check import main as check
from parity.compare import main as compare_main
from parity.runners.trace import read_trace

EQUAL = ["cifar_resnet20", "--input-shape", "3,17,16"]
OTHER = ["--torch", "resnet_torch:resnet50", "--keras", "resnet_keras:resnet50_v1", "--input-shape", "3,33,32"]


def captured(folder: Path, target: list[str]) -> tuple[str, str]:
    ours, theirs = str(folder / "torch.trace"), str(folder / "keras.trace")
    assert capture_main([*target, "--framework", "torch", "--output", ours]) == 0
    assert capture_main([*target, "--framework", "keras", "--against", ours, "--output", theirs]) == 0
    return ours, theirs


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return captured(tmp_path_factory.mktemp("equal"), EQUAL)


def document(code: int, path: Path, expected: int) -> Any:
    assert code == expected
    return json.loads(path.read_text())


def shortened(report: Any) -> Any:
    """The report without what differs from run to run: sums in another order, and the threads that gave it."""
    rows = [(row["path"], row["kind"], row["shape"], row["verdict"], row.get("faults")) for row in report["layers"]]
    causes = [(cause["name"], cause["path"], cause["source"]) for cause in report["causes"]]
    return rows, causes, report["first"], report["static"], report["unmatched"], report["verdict"]


@pytest.mark.parametrize(
    ("target", "code"),
    [pytest.param(EQUAL, 0, id="match"), pytest.param(OTHER, 1, id="mismatch", marks=pytest.mark.slow)],
)
def test_the_report_is_that_of_a_check(target: list[str], code: int, tmp_path: Path) -> None:
    ours, theirs = captured(tmp_path, target)
    found = document(
        compare_main([ours, theirs, "--json", str(tmp_path / "c.json"), "--quiet"]), tmp_path / "c.json", code
    )
    direct = document(check([*target, "--json", str(tmp_path / "d.json"), "--quiet"]), tmp_path / "d.json", code)
    assert shortened(found) == shortened(direct)
    assert code == 1 or 0 < max(row["structure"]["added"] for row in found["layers"]) < 1e-13


def test_a_trace_is_safetensors_with_everything_in_it(equal: tuple[str, str]) -> None:
    from safetensors.numpy import load_file

    arrays = load_file(equal[1])
    assert arrays["input"].shape == (2, 3, 17, 16)
    assert arrays["output/conv1"].shape == (2, 16, 17, 16)
    assert arrays["output/conv1"].dtype == np.float64
    assert arrays["low/conv1"].dtype == np.float32
    assert arrays["weight/conv1.weight"].shape == (16, 3, 3, 3)
    np.testing.assert_array_equal(arrays["weight/conv1.weight"], load_file(equal[0])["weight/conv1.weight"])


def test_without_against_the_first_fault_is_still_found(tmp_path: Path) -> None:
    """Two captures that know nothing of each other: what lies behind a fault cannot be judged, what makes it can."""
    files = [str(tmp_path / name) for name in ("a.trace", "b.trace")]
    target = [*OTHER, "--weights", "keep"]
    for framework, file in zip(("torch", "keras"), files, strict=True):
        assert capture_main([*target, "--framework", framework, "--output", file]) == 0
    report = document(compare_main([*files, "--json", str(tmp_path / "r.json"), "--quiet"]), tmp_path / "r.json", 1)
    assert report["first"] == "conv1"  # other weights
    assert report["cause"]["path"] == "conv1"


def test_damaged_and_missing_files(equal: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(equal[0]).read_bytes()
    for name, content in {
        "cut": data[: len(data) // 2],
        "none": b"",
        "other": b"x" * 100,
        "flip": data[:9] + b"!" + data[10:],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert compare_main([str(tmp_path / name), equal[1]]) == 2
        assert "must be a trace that parity.capture wrote" in capsys.readouterr().err
    assert compare_main([str(tmp_path / "absent"), equal[1]]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda a, b: [b, a], "must be torch's and then Keras's"),
        (lambda a, b: [a, a], "must be torch's and then Keras's"),
    ],
)
def test_traces_the_wrong_way_round(
    arguments: Any, message: str, equal: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_main(arguments(*equal)) == 2
    assert message in capsys.readouterr().err


def test_wrong_options(equal: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["--output", str(tmp_path / "x.trace")]
    assert capture_main([*EQUAL, "--framework", "keras", *output]) == 2
    assert "Keras's weights must come from torch" in capsys.readouterr().err
    assert capture_main([*EQUAL, "--framework", "torch", "--against", equal[0], *output]) == 2
    assert "--against is for Keras" in capsys.readouterr().err
    assert capture_main([*EQUAL, "--framework", "torch", "--output", str(tmp_path / "no" / "x.trace")]) == 2
    assert "must be a file that can be written" in capsys.readouterr().err
    assert capture_main([*EQUAL, "--framework", "torch", "--device", "cuda", *output]) in (0, 2)
    assert not list(tmp_path.glob(".*"))


def test_other_runs_are_not_compared(
    equal: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(tmp_path / "other.trace")
    assert capture_main([*EQUAL, "--framework", "torch", "--seed", "1", "--output", other]) == 0
    capsys.readouterr()
    assert compare_main([other, equal[1]]) == 2
    assert "must have run on the same input" in capsys.readouterr().err


def test_a_changed_number_is_found(equal: tuple[str, str], tmp_path: Path) -> None:
    """The planted fault: one number of one output of Keras's trace, in a file that is otherwise whole."""
    trace = read_trace(Path(equal[1]))
    place = trace.places["output/layer2.0.conv1"]
    data = bytearray(Path(equal[1]).read_bytes())
    value = np.frombuffer(data, "<f8", 1, place.offset)[0]
    data[place.offset : place.offset + 8] = np.array([value + 1e-6], "<f8").tobytes()
    (tmp_path / "changed.trace").write_bytes(data)
    code = compare_main([equal[0], str(tmp_path / "changed.trace"), "--json", str(tmp_path / "r.json"), "--quiet"])
    assert document(code, tmp_path / "r.json", 1)["first"] == "layer2.0.conv1"
