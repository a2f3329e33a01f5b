"""The side-by-side page: its content, its bytes, and how it behaves in a browser."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parity import sidebyside
from parity.reports.sidebyside import measured
from parity.reports.sidebyside.measured import facts

from .browser import DESKTOP, PHONE, Opened, in_every_window, needs_browser, opens_without_a_fault
from .documents import resnet50


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> Path:
    """The whole page, with one model's measurements."""
    folder: Path = tmp_path_factory.mktemp("sidebyside")
    (folder / "measured.json").write_text(json.dumps([resnet50()]))
    arguments = ["--output", str(folder / "page.html"), "--measured", str(folder / "measured.json")]
    assert sidebyside.main(arguments) == 0
    return folder / "page.html"


def run(*arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "parity.sidebyside", *arguments], capture_output=True, text=True, check=False
    )


def test_the_same_bytes_each_time(file: Path, tmp_path: Path) -> None:
    """In a process of its own, with other hashes."""
    again = tmp_path / "again.html"
    assert run("--output", str(again), "--measured", str(file.with_name("measured.json"))).returncode == 0
    assert again.read_bytes() == file.read_bytes()


def test_nothing_from_a_network(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"""(?:src|href)=["'](?!#|data:,)""", text)
    assert "url(" not in text
    assert "<script" not in text
    assert "Content-Security-Policy" in text


def test_notes_stand_once_and_links_lead_to_them(file: Path) -> None:
    text = file.read_text()
    assert text.count("PyTorch&#39;s momentum is the weight of the new batch") == 1
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len({*ids})
    assert {*re.findall(r'href="#([^"]+)"', text)} <= {*ids}


def test_a_layers_figures_in_both_layouts(file: Path) -> None:
    text = re.sub(r"<[^>]+>", "", file.read_text()).replace("\N{MULTIPLICATION SIGN}", "x")
    assert "NCHW Nx128x28x28 NHWC Nx28x28x128" in text
    assert re.search(r"OIHW 128x128x3x3 → HWIO 3x3x128x128", text)
    assert re.search(r"OI 1000x2048 → IO 2048x1000", text)
    assert "weight, bias, running_mean, running_var → gamma, beta, moving_mean, moving_variance: 128 each" in text
    assert "float64 7.3e-16 float32 1.1e-07" in text


def test_figures_of_a_layer_that_fails_say_so() -> None:
    document = resnet50()
    document["layers"][2] |= {"verdict": "mismatch", "structure": {"inherited": None, "added": None}}
    (found,) = facts([document], "Bottleneck", ("conv1",))
    assert not found.ok
    assert found.float64 is None


def test_without_measurements_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    assert facts([], "Bottleneck", ("conv1",)) == []
    assert facts([resnet50()], "Residual", ("conv1",)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Botleneck"], "'Botleneck' is none; try Bottleneck"),
        (
            ["--output", "/nowhere/page.html", "--measured", "FILE"],
            "/nowhere/page.html must be in a folder that can be",
        ),
        (["--measured", "/nowhere/x.json"], "No such file"),
        (["--measured", __file__], "it is not JSON"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], said: str, file: Path, capsys: Any) -> None:
    arguments = [str(file.with_name("measured.json")) if one == "FILE" else one for one in arguments]
    assert sidebyside.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("parity.sidebyside: ")
    assert said in error
    assert error.count("\n") == 1


def test_json_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"schema": 2, "layers": []}')
    with pytest.raises(measured.ParityError, match="schema 1"):
        measured.read([str(tmp_path / "x.json")])


def test_two_columns_in_a_terminal() -> None:
    done = run("Bottleneck")
    assert done.returncode == 0
    assert not done.stderr
    line = next(line for line in done.stdout.splitlines() if "self.bn1 = norm(width)" in line)
    assert line.index("norm(width)") < line.index("self.bn1 = norm()")
    assert "[1]" in done.stdout
    assert "BasicBlock" not in done.stdout.split("[1] ")[0].replace("Options as for BasicBlock", "")


def test_neither_framework_is_imported() -> None:
    code = "import sys; from parity import sidebyside; sidebyside.main(['Residual']); "
    code += "print([name for name in ('torch', 'tensorflow', 'keras') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.slow
def test_it_measures_by_itself(tmp_path: Path) -> None:
    done = run("ResNeXtB", "--output", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert "0.downsample.0" in (tmp_path / "page.html").read_text()


@in_every_window
def test_it_renders_and_is_accessible(browser: Any, file: Path, size: tuple[int, int], scheme: str) -> None:
    opens_without_a_fault(browser, file, size, scheme)


@needs_browser
@pytest.mark.browser
def test_rows_stand_beside_each_other_and_stack_on_a_phone(browser: Any, file: Path) -> None:
    row = "[data-path='Bottleneck.__init__.conv2']"
    for size, beside in ((DESKTOP, True), (PHONE, False)):
        page = Opened(browser, file, size).page
        torch, keras = (page.locator(f"{row} .{side}").bounding_box() for side in ("torch", "keras"))
        assert (torch["y"] == keras["y"]) is beside
        assert (torch["x"] < keras["x"]) is beside


@needs_browser
@pytest.mark.browser
def test_it_reads_without_javascript_and_hides_what_is_the_same(browser: Any, file: Path) -> None:
    page = Opened(browser, file, java_script_enabled=False).page
    same, other = (
        page.locator(f"[data-path='BasicBlock.__init__.{name}'] .torch") for name in ("super.__init__", "bn1")
    )
    assert same.is_visible()
    page.keyboard.press("Tab")  # the link past the header; then all can be reached by keyboard
    page.locator("#only").focus()
    page.keyboard.press("Space")
    assert not same.is_visible()
    assert other.is_visible()


@needs_browser
@pytest.mark.browser
def test_it_prints(browser: Any, file: Path) -> None:
    page = Opened(browser, file, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    assert page.pdf(format="A4", landscape=True)[:4] == b"%PDF"


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_link_leads_to_its_row_and_to_its_note(browser: Any, file: Path, size: tuple[int, int]) -> None:
    page = Opened(browser, file, size).page
    for name, shown in (
        ("Bottleneck.__init__.bn2", "[data-path='Bottleneck.__init__.bn2'] .torch"),
        ("note-momentum", "#note-momentum"),
    ):
        page.goto(f"{file.as_uri()}#{name}")
        box = page.locator(shown).bounding_box()
        assert 0 <= box["y"] < size[1] / 2
