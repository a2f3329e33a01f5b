"""The page of a training run: losses, distances with the one-unit band, rules."""

import re
from pathlib import Path
from typing import Any

import pytest

from parity.reports.pages.curves import HEIGHT, curves
from parity.reports.pages.training_page import training_page

from .browser import in_every_window, opens_without_a_fault
from .documents import training
from .reported import text_of

pytestmark = pytest.mark.quick

COMMAND = "python -m parity.train cifar_resnet20 --optimizer adam"


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("training") / "training.html"
    path.write_text(training_page(training(), COMMAND))
    return path


def test_it_says_where_training_parts_and_why(file: Path) -> None:
    text = text_of(file.read_text())
    assert "parts at step 3 in the weight of fc.weight: 9.0e-05 in float32, where 8.0e-06 is allowed" in text
    assert "optimizer epsilon with the same epsilon the gap closes" in text
    assert COMMAND in text
    assert "update w - lr g w - lr g same one rule" in text


def test_a_match_says_so() -> None:
    document = training() | {"verdict": "match", "fault": None, "cause": None}
    assert "MATCH Training cifar_resnet20 cifar_resnet20 trains alike" in text_of(training_page(document))


def test_losses_and_distances_have_pictures_with_a_band_where_there_is_one(file: Path) -> None:
    html = file.read_text()
    exact, rounded = html.split("steps in float64")[1].split("steps in float32")
    assert 'class="band"' not in exact.split("<figure", 1)[1]
    assert rounded.count('class="band"') == 1 + 3  # the key, and loss, weight and exp_avg
    assert "loss: PyTorch from 2.3 to 1.4; Keras from 2.3 to 1.9; Keras not finite in 1 steps." in text_of(html)
    assert "nudged runs at 4.0e-07 to 6.0e-07 in the last step" in text_of(html)


def test_curves_keep_the_order_of_sizes() -> None:
    plot = curves("weight", [1, 2, 4], {"found": [1e-7, 0.0, 1e-3], "allowed": [1e-4, None, 1e-4]}, (), log=True)
    points = [tuple(map(float, point.split())) for point in plot.curves[0].path[1:].split("L")]
    assert [x for x, _ in points] == [0, pytest.approx(333.3), 1000]
    assert points[2][1] < points[0][1] <= points[1][1] <= HEIGHT
    assert plot.curves[1].path.count("M") == 2  # broken where the value is missing


@pytest.mark.parametrize("values", [[1.0], [0.0], [None], [2.0, 2.0]])
def test_a_single_step_and_equal_values_can_be_drawn(values: list[Any]) -> None:
    for log in (True, False):
        plot = curves("loss", list(range(1, len(values) + 1)), {"torch": values}, [values], log)
        assert not re.search("nan|inf", plot.curves[0].path)


@in_every_window
def test_it_renders_and_is_accessible(browser: Any, file: Path, size: tuple[int, int], scheme: str) -> None:
    opens_without_a_fault(browser, file, size, scheme)


def test_the_command_writes_it(monkeypatch: Any, tmp_path: Path, capsys: Any) -> None:
    from types import SimpleNamespace

    from parity import train
    from parity.reports.terminal import training as report

    done = SimpleNamespace(ok=False, to_json=training)
    monkeypatch.setattr(train, "_compared", lambda arguments: done)
    monkeypatch.setattr(report, "print_report", lambda *arguments: None)
    assert train.main(["cifar_resnet20", "--html", str(tmp_path / "page.html")]) == 1
    assert "python -m parity.train cifar_resnet20 --html" in text_of((tmp_path / "page.html").read_text())
    assert train.main(["cifar_resnet20", "--html", "/nowhere/page.html"]) == 2
    assert "--html /nowhere/page.html must be in a folder" in capsys.readouterr().err
