"""A report that is read: equal differences are one sentence, and there are no more than forty lines."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from parity.checks.report import Report
from parity.models.steps import StepInfo
from parity.pairs.pairing import Pair
from parity.reports.grouped import LINES, Row, Section, fitted, settings, value
from parity.reports.pages.report_page import report_page
from parity.reports.terminal.check import text
from parity.verdict.cause import Cause
from parity.verdict.difference import Difference
from parity.verdict.results import LayerResult, StaticDifference

from .browser import DESKTOP, Opened, needs_browser

pytestmark = pytest.mark.quick
NORMS = 130
SENTENCE = "130 batch norms: eps 1e-5 in torch, 1.001e-5 in Keras (features.norm0, ..., features.norm129)"


def norm(number: int, **more: Any) -> LayerResult:
    step = StepInfo(f"features.norm{number}", f"features.norm{number}", "batch_norm", (2, 4, 8, 8))
    same = Difference(1e-8, (0, 0, 0, 0), 1.0, 1e-17, 1.0, 10)
    return replace(LayerResult(step, {"weight": (4,)}, same, same, same, same, same, faults=()), **more)


def report(**more: Any) -> Report:
    """130 norms with another eps."""
    static = tuple(StaticDifference(f"features.norm{n}", "eps", 1e-05, 1.001e-05) for n in range(NORMS))
    layers = tuple(norm(number, faults=("structure",)) for number in range(NORMS))
    environment = {"dtype": "float32", "seed": 0, "torch": {"torch": "2", "device": "cpu"}, "keras": {"keras": "3"}}
    return replace(Report("a pair", layers, static, environment), **more)


def lines(found: Report) -> list[str]:
    return text(found).splitlines()


def test_130_norms_are_one_sentence() -> None:
    shown = lines(report())
    assert len([line for line in shown if SENTENCE in line]) == 1
    assert len([line for line in shown if "eps" in line]) == 1
    assert len(shown) <= LINES
    assert len(report().to_json()["static"]) == NORMS, "the JSON keeps every row"


def test_all_layers_are_shown_where_they_are_asked_for() -> None:
    import io

    from rich.console import Console

    from parity.reports.terminal.check import print_report

    file = io.StringIO()
    print_report(report(), Console(file=file, width=200), layers="all")
    assert file.getvalue().count("(batch_norm)") >= NORMS


@pytest.mark.parametrize(
    "names", ["short", "a.rather.long.path.of.a.module.that.is.deep.in.the.model.and.deeper.still.too"]
)
def test_whatever_there_is_to_say_is_forty_lines(names: str) -> None:
    """Every list at once: faults, causes, settings with other values, notes that differ, pairs, loose steps."""
    every = report()
    layers = tuple(
        replace(layer, note=f"{'x' * (n % 40)} of its own", step=replace(layer.step, path=f"{names}{n}.norm"))
        for n, layer in enumerate(every.layers)
    )
    found = replace(
        every,
        layers=layers,
        causes=tuple(Cause(f"cause {'y' * n}", f"{names}{n}", "because") for n in range(36)),
        static=tuple(StaticDifference(f"{names}{n}.norm", f"field {'z' * n}", n, n + 1) for n in range(NORMS)),
        pairs=tuple(Pair(f"{names}{n}", f"other{n}", "order") for n in range(NORMS)),
        unmatched=(tuple(f"{names}{n}" for n in range(300)), ()),
    )
    shown = lines(found)
    assert len(shown) <= LINES
    assert max(map(len, shown)) <= 600
    assert sum("more" in line and "--json lists all" in line for line in shown) >= 3
    assert any(re.search(r"only torch has .* and \d+ more", line) for line in shown)


def test_a_model_of_many_stages_shows_those_at_fault() -> None:
    every = report(static=())
    layers = [
        replace(layer, faults=(), step=replace(layer.step, path=f"block{n}.norm"))
        for n, layer in enumerate(every.layers)
    ]
    layers[77] = replace(layers[77], faults=("structure",))
    from io import StringIO

    from rich.console import Console

    from parity.reports.terminal.check import print_report

    file = StringIO()
    print_report(replace(every, layers=tuple(layers)), Console(file=file, width=120))
    shown = file.getvalue().splitlines()
    assert len(shown) <= LINES
    assert any(line.strip().startswith("block77 ") and "MISMATCH" in line for line in shown)
    assert any(re.search(r"and \d+ more rows", line) for line in shown)


def test_one_difference_stays_as_it_was() -> None:
    assert settings([Row("fc", "dense", "bias", True, False)]) == ["fc: bias is True in torch and False in Keras"]


def test_many_values_of_one_setting_are_told_together() -> None:
    rows = [Row(f"conv{n}", "conv", "stride", [n, n], [1, 1]) for n in range(2, 40)]
    (sentence,) = settings(rows)
    assert (
        sentence
        == "38 convolutions: stride differs, as in conv2: [2, 2] in torch, [1, 1] in Keras (conv2, ..., conv39)"
    )


def test_values_are_written_as_people_write_them() -> None:
    assert [value(x) for x in (1e-05, 1.001e-05, 1e20, 0.1, "1.5e-07 away")] == [
        "1e-5",
        "1.001e-5",
        "1e+20",
        "0.1",
        "1.5e-7 away",
    ]


def test_initializers_are_no_fault_and_no_dictionaries() -> None:
    static = tuple(
        StaticDifference(
            f"features.norm{n}", "initializer", {"std": n / 7, "count": 9}, {"std": 0.5, "initializer": "He"}
        )
        for n in range(12)
    )
    fine = report(static=static, layers=tuple(norm(n) for n in range(NORMS)))
    html = report_page(fine.to_json(), None)
    assert "settings differ" not in html
    assert (
        "initializer differs, as in features.norm0: standard deviation 0 in torch, standard deviation 0.5 of He in"
        in html
    )


def test_the_longest_list_is_cut_first() -> None:
    shown = fitted([Section(["a"]), Section([f"b{n}" for n in range(9)])], 5)
    assert shown == ["a", "b0", "b1", "b2", "  and 6 more; --json lists all"]


def test_causes_of_one_kind_are_one_sentence() -> None:
    causes = [Cause("BN eps", f"features.norm{n}", f"the gap closes from {n}e-8 to 1e-16") for n in range(12)]
    found = [line for line in lines(report(causes=tuple(causes))) if line.startswith("cause: ")]
    assert found == [
        "cause: BN eps at features.norm0: the gap closes from 0e-8 to 1e-16; the same at 11 more "
        "(features.norm1, ..., features.norm11)"
    ]


def page() -> str:
    document = json.loads(json.dumps(report(unmatched=(tuple(f"step{n}" for n in range(300)), ())).to_json()))
    return report_page(document, "python -m parity.check")


def test_the_page_has_the_sentence_and_every_row() -> None:
    html = page()
    assert html.count(SENTENCE) == 1
    assert html.count("<td>eps</td>") == NORMS
    assert "all 130 rows" in html
    assert "288 more" in html


@needs_browser
def test_the_page_in_a_browser(tmp_path: Any, browser: Any) -> None:
    file = tmp_path / "page.html"
    file.write_text(page())
    opened = Opened(browser, file, DESKTOP)
    assert opened.said == []
    assert opened.overflow == 0
    assert opened.page.get_by_text(SENTENCE).is_visible()
    rows = opened.page.locator("section[aria-labelledby=settings-title] table")
    assert not rows.is_visible()
    opened.page.get_by_text("all 130 rows").click()
    assert rows.is_visible()
    assert opened.violations() == []
