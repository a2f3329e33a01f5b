"""The report page in a browser: it renders, sorts, filters, folds and is read by keyboard."""

from pathlib import Path
from typing import Any

import pytest

from parity.reports.pages.report_page import report_page

from .browser import DESKTOP, PHONE, Opened, in_every_window, needs_browser, opens_without_a_fault
from .documents import mismatch, resnet50, step


@in_every_window
def test_it_renders_and_is_accessible(browser: Any, file: Path, size: tuple[int, int], scheme: str) -> None:
    opens_without_a_fault(browser, file, size, scheme)


@needs_browser
@pytest.mark.browser
def test_a_page_that_fails_is_seen_to_fail(browser: Any, tmp_path: Path) -> None:
    """The three checks above find what they are for."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<html><body><div style='width:3000px;color:#bbb;background:#fff'>x</div><img src='x.png'></body></html>"
    )
    opened = Opened(browser, bad, PHONE)
    opened.page.evaluate("console.error('said')")
    assert "said" in opened.said
    assert opened.overflow > 0
    assert any("image-alt" in one for one in opened.violations())
    assert any(url.endswith("x.png") for url in opened.asked)


def order(page: Any) -> list[str]:
    """The paths of the table's visible rows."""
    found: list[str] = page.locator("table.layers tbody tr:visible th").all_inner_texts()
    return found


@needs_browser
@pytest.mark.browser
def test_columns_sort_by_value_with_mouse_and_keyboard(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    executed = [layer["path"] for layer in mismatch()["layers"]]
    assert order(page) == executed
    head = page.get_by_role("columnheader", name="Inherited")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert order(page)[:4] == ["layer2.0.relu#2", "fc", "layer2.0.conv2", "layer2.0.add"]
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert order(page)[-1] in ("layer2.0.relu#2", "fc")
    page.get_by_role("columnheader", name="Layer").get_by_role("button").click()
    assert order(page)[0] == "conv1"
    assert page.locator("[aria-sort]").count() == 1
    page.get_by_role("columnheader", name="#").get_by_role("button").click()
    assert order(page) == executed


@needs_browser
@pytest.mark.browser
def test_a_phone_sorts_and_filters(browser: Any, file: Path) -> None:
    page = Opened(browser, file, PHONE).page
    page.get_by_label("Sort by").select_option(label="Added, greatest first")
    assert order(page)[:2] == ["fc", "layer2.0.conv2"]
    page.get_by_label("Filter").fill("layer2 conv")
    assert {*order(page)} == {"layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"}
    page.locator("select[name=status]").select_option("differs here")
    assert order(page) == ["layer2.0.conv2"]
    assert page.locator(".tools output").inner_text() == "1 of 10 layers"


@needs_browser
@pytest.mark.browser
def test_values_are_read_off_the_plot_by_keyboard(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    slider = page.get_by_role("slider", name="Layer")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert "layer1.0.relu" in page.locator(".reader output").inner_text()
    assert "8.1e-16" in (slider.get_attribute("aria-valuetext") or "")


@needs_browser
@pytest.mark.browser
def test_it_reads_without_javascript(browser: Any, file: Path) -> None:
    page = Opened(browser, file, java_script_enabled=False).page
    assert page.locator("table.layers tbody tr:visible").count() == 10
    assert not page.locator(".tools").is_visible()
    assert page.locator(".tree summary", has_text="layer2").is_visible()
    closed = page.locator(".tree details:not([open])")
    before = closed.count()
    closed.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert closed.count() == before - 1


@needs_browser
@pytest.mark.browser
def test_paper_shows_what_is_folded(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    leaf = page.locator(".tree details:not([open]) .leaf").first
    assert not leaf.is_visible()
    page.emulate_media(media="print")
    assert leaf.is_visible()
    assert page.pdf(format="A4")[:4] == b"%PDF"


@needs_browser
@pytest.mark.browser
def test_long_names_and_a_thousand_layers_fit(browser: Any, tmp_path: Path) -> None:
    long = "some_package.some_subpackage.some_module_with_a_long_name:a_factory_with_a_long_name"
    layers = [step(f"stage{i // 300}.block{i // 9}.{long}.layer{i}", "conv", [2, 1024, 224, 224]) for i in range(1200)]
    document = resnet50() | {"target": f"{long} and {long}", "layers": layers}
    path = tmp_path / "long.html"
    path.write_text(
        report_page(document, f"python -m parity.check --torch {long} --keras {long} --input-shape 3,224,224")
    )
    for size in (PHONE, DESKTOP):
        assert Opened(browser, path, size).overflow == 0
