"""The report page: what it says of a report, and how it behaves in a browser."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.causes.where import error_map
from parity.reports.pages.heatmap import heatmap
from parity.reports.pages.plot import HEIGHT, error_plot
from parity.reports.pages.report_page import overview_page, report_page
from parity.reports.pages.report_view import layer_views, stages, tree

from .documents import mismatch, resnet50
from .reported import COMMAND, text_of


def test_a_match_says_so_and_shows_no_failure() -> None:
    text = text_of(report_page(resnet50(), COMMAND))
    assert "MATCH resnet50 resnet50 computes the same function" in text
    assert "First failure" not in text
    assert "MISMATCH" not in text
    assert COMMAND in text


def test_a_mismatch_shows_its_first_failure_cause_and_evidence(file: Path) -> None:
    text = text_of(file.read_text())
    assert "MISMATCH resnet50 resnet50 differs in 2 of 10 layers" in text
    assert "First failure layer2.0.conv2 conv" in text
    assert "asymmetric padding at layer2.0.conv2 the gap closes to 1e-15" in text
    assert "layer2.0.bn1 momentum 0.1 0.01" in text
    assert "fc predictions order of execution" in text


def test_statuses_are_words() -> None:
    status = {layer.path: layer.status for layer in layer_views(mismatch())}
    assert status["layer2.0.conv1"] == "match"
    assert status["layer2.0.conv2"] == "differs here"
    assert status["layer2.0.add"] == "inherits an error"
    assert status["layer2.0.bn1"] == "settings differ"
    assert status["fc"] == "NaN or infinity"


def test_the_tree_nests_as_paths_do_and_sums_up() -> None:
    root = tree(layer_views(mismatch()))
    assert [child.name for child in root.children] == ["conv1", "layer1", "layer2", "fc"]
    (block,) = root.children[2].children
    assert block.status == "1 settings differ, 1 differs here, 2 inherit an error"
    assert block.parameters == 128 * 256 + 4 * 128 + 128 * 128 * 9 + 512 * 256
    assert root.children[1].status == "match"


def test_stages_are_stem_layers_and_head() -> None:
    assert [name for name, _, _ in stages(layer_views(resnet50()))] == ["stem", "layer1", "layer2", "head"]


def test_a_plot_keeps_the_order_of_sizes() -> None:
    numbers = [{"inherited": value} for value in (0.0, 1e-16, 1e-10, 1.0, None)]
    plot = error_plot(numbers, [4], 4, [("stem", 0, 4)], "float32", "NaN")
    heights = [float(point.split()[1]) for point in plot.series[2].line[1:].split("L")]
    assert heights == sorted(heights, reverse=True)
    assert len({*heights}) == 5
    assert all(0 < height < HEIGHT for height in heights)
    assert plot.first == 90.0
    assert "NaN" in [tick.label for tick in plot.ticks]
    allowed = next(mark for mark in plot.marks if mark.name == "allowed")
    assert allowed.top == pytest.approx(100 * heights[2] / HEIGHT, abs=0.1)


def test_a_float64_check_has_no_float32_curves() -> None:
    document = resnet50()
    document["environment"] = document["environment"] | {"dtype": "float64"}
    text = text_of(report_page(document))
    assert "float32" not in text
    assert "float64 rounds at 1.1e-16" in text


def test_gradients_have_a_picture_and_a_column() -> None:
    document = resnet50()
    numbers = {"inherited": 2e-15, "added": 1e-15, "torch": 1e-7, "keras": 1e-7, "difference": 1e-7}
    for layer in document["layers"]:
        layer["gradient"] = numbers | {"tensors": {}}
    document["layers"][5] |= {"verdict": "mismatch", "faults": ["gradient"], "why": "its gradient differs"}
    html = report_page(document | {"verdict": "mismatch", "first": "layer2.0.conv2"})
    assert 'id="plot-gradient"' in html
    assert text_of(html).count("gradient differs") > 1
    assert 'id="plot-gradient"' not in report_page(resnet50())


def test_what_could_not_be_compared_says_why() -> None:
    document = {
        "schema": 1, "verdict": "error", "target": "mine", "environment": {}, "layers": [], "first": None,
        "cause": None, "static": [], "unmatched": {"torch": ["fc2"], "keras": []},
        "message": "fc2 has no partner; name it",
    }  # fmt: skip
    text = text_of(report_page(document, COMMAND))
    assert "NOT COMPARED mine fc2 has no partner; name it" in text
    assert "PyTorch alone: fc2" in text


def test_what_users_name_is_escaped() -> None:
    hostile = '<script>alert("x")</script>'
    document = mismatch() | {"target": hostile, "message": f"MISMATCH: {hostile} differs"}
    document["layers"][3] |= {"path": f"layer2.0.{hostile}", "kind": hostile, "note": hostile}
    document["causes"][0] |= {"evidence": hostile}
    html = report_page(document, f"python -m parity.check '{hostile}'")
    assert hostile not in html
    assert escape(hostile) in html.replace("&#34;", "&quot;")


def test_nothing_from_a_network(file: Path) -> None:
    assert not re.search(r"""(?:src|href)=["'](?!#|data:,)""", file.read_text())
    assert not re.search(r"https?:|url\(|import\b.*from", file.read_text())


def test_a_map_finds_the_border() -> None:
    torch = np.random.default_rng(0).standard_normal((2, 70, 40, 40))
    keras = torch.copy()
    keras[:, :, -1, :] += 1
    keras[:, :, :, -1] += 1
    data = error_map(torch, keras)
    assert data is not None
    assert (data["size"], len(data["cells"]), len(data["channels"])) == ([40, 40], 32, 64)
    assert heatmap(data).text.startswith(
        "The error sits in the bottom row and in the right column alone, in all channels"
    )


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 5), [1, 1]), ((2, 5, 7), [1, 7]), ((2, 5, 6, 7), [6, 7]), ((2, 5, 3, 6, 7), [6, 7])]
)
def test_a_map_of_any_rank(shape: tuple[int, ...], size: list[int]) -> None:
    torch = np.ones(shape)
    keras = torch.copy()
    keras[1, 3] += 0.5
    data = error_map(torch, keras)
    assert data is not None
    assert data["size"] == size
    assert data["channels"] == [0, 0, 0, 0.5, 0]
    assert "1 of 5 channels" in heatmap(data).text
    keras[0, 0] = np.nan
    json.dumps(error_map(torch, keras), allow_nan=False)


def test_no_map_of_other_shapes() -> None:
    assert error_map(np.ones((1, 2)), np.ones((2, 1))) is None


def test_a_planted_fault_reaches_the_page() -> None:
    """From the models to the page, with the map of where it is."""
    import parity
    from tests.causes.planting import keras_conv
    from tests.checks.families import layer_at, make

    torch_model, keras_model, x = make("basic")
    keras_conv(layer_at(keras_model, "layer3.0.conv2"), pads=lambda x: [2, 0, 1, 1])
    document = json.loads(json.dumps(parity.check(torch_model, keras_model, x).to_json(), allow_nan=False))
    text = text_of(report_page(document))
    assert "First failure layer3.0.conv2 conv, output 2" in text
    assert "float64 outputs differ by at most" in text
    assert "The square is the image" in text


def test_all_models_in_one_table() -> None:
    broken = {"verdict": "error", "message": "it has no partner", "layers": [], "target": "odd", "cause": None}
    documents = [resnet50(), mismatch() | {"target": "wrong"}, resnet50() | broken]
    html = overview_page(documents, COMMAND)
    text = text_of(html)
    assert "1 match, 1 differ, 1 not compared" in text
    assert "wrong MISMATCH 10 NaN NaN 2.2e-07 2.3e-07 layer2.0.conv2: asymmetric padding" in text
    assert "odd NOT COMPARED it has no partner" in text


@pytest.mark.parametrize(("target", "code"), [("cifar_resnet20", 0), ("no_such_model", 2)])
def test_the_command_writes_it(target: str, code: int, tmp_path: Path) -> None:
    from parity.check import main

    arguments = [target, "--html", str(tmp_path / "report.html"), "--quiet", "--batch-size", "1"]
    assert main(arguments) == code
    text = text_of((tmp_path / "report.html").read_text())
    assert ("MATCH" if code == 0 else "NOT COMPARED") in text
    assert f"python -m parity.check {target} --html" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_written_is_known_before_the_run(capsys: Any) -> None:
    from parity.check import main

    assert main(["resnet152", "--html", "/nowhere/report.html"]) == 2
    assert "--html /nowhere/report.html must be in a folder that can be written to" in capsys.readouterr().err


def test_without_the_libraries_one_sentence_says_what_to_install(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    from parity import sidebyside
    from parity.check import main
    from parity.reports import pages

    monkeypatch.setattr(pages, "NEEDED", ("jinja2", "no_such_library"))
    assert main(["resnet152", "--html", str(tmp_path / "report.html")]) == 2
    assert sidebyside.main(["Bottleneck"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("no_such_library cannot be imported" in line and "[reports]" in line for line in said)


def test_devices_are_a_table_that_says_what_a_difference_belongs_to() -> None:
    cell = {
        "framework": "torch",
        "device": "cpu",
        "tf32": False,
        "structure": 0.0,
        "arithmetic": 2e-7,
        "verdict": "match",
    }
    wrong = {"device": "cuda", "arithmetic": 1e-3, "verdict": "mismatch", "fault": "arithmetic", "first": "conv1"}
    devices = [cell | {"fault": None, "first": None}, cell | wrong]
    text = text_of(report_page(resnet50() | {"devices": devices, "belongs": "torch on cuda"}))
    assert "What differs belongs to torch on cuda." in text
    assert "PyTorch cuda 0 1.0e-03 arithmetic conv1" in text
    assert "Devices" not in text_of(report_page(resnet50()))
