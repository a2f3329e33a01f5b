"""A report in Python: its truth, its one line, its text, what a notebook shows and what it is saved as."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import parity
from parity.errors import UnwritableError
from parity.reports import pages
from parity.reports.shown import ShownReport

X = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")


def reported(*last: keras.layers.Layer) -> ShownReport:
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), *last])
    return parity.check(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), theirs, X, weights="copy")


@pytest.fixture(scope="module")
def match() -> ShownReport:
    return reported(keras.layers.ReLU())


@pytest.fixture(scope="module")
def mismatch() -> ShownReport:
    return reported(keras.layers.Activation("tanh"))


def test_an_assertion_of_it_is_the_verdict(match: ShownReport, mismatch: ShownReport) -> None:
    assert match
    assert not mismatch


def test_one_line(match: ShownReport, mismatch: ShownReport) -> None:
    assert repr(match) == "<Report MATCH 3 layers>"  # the output is one
    assert mismatch.cause is not None
    assert repr(mismatch) == f'<Report MISMATCH 1 of 3 layers, first "{mismatch.first}": {mismatch.cause.name}>'


def test_its_text_is_the_terminals(mismatch: ShownReport) -> None:
    assert mismatch.cause is not None
    assert str(mismatch).splitlines()[-1].startswith("MISMATCH: ")
    assert f"cause: {mismatch.cause.name} at {mismatch.first}" in str(mismatch)


def test_a_notebook_shows_why_and_where(match: ShownReport, mismatch: ShownReport) -> None:
    shown = mismatch._repr_html_()
    assert shown is not None
    assert mismatch.cause is not None
    assert "<strong>MISMATCH</strong>" in shown
    assert f"<strong>{mismatch.cause.name}</strong>" in shown
    assert shown.index(f"<td><code>{mismatch.first}</code>") < shown.index("<td><code>0</code>")  # what fails is first
    assert "<strong>MATCH</strong>" in str(match._repr_html_())


def test_without_the_pages_libraries_a_notebook_has_its_line(
    match: ShownReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "NEEDED", ("a_library_that_is_not_there",))
    assert match._repr_html_() is None


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [(".json", '{\n "schema": 1'), (".html", "<!DOCTYPE html>"), (".md", "**MISMATCH**"), (".txt", "layers")],
)
def test_it_is_saved_by_suffix(suffix: str, begins: str, mismatch: ShownReport, tmp_path: Path) -> None:
    mismatch.save(tmp_path / f"report{suffix}")
    assert (tmp_path / f"report{suffix}").read_text().strip().startswith(begins)


def test_the_saved_document_is_the_commands(mismatch: ShownReport, tmp_path: Path) -> None:
    mismatch.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["first"] == mismatch.first


def test_another_suffix_and_a_folder_that_is_not_there(match: ShownReport, tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"must end in .html, .json, .md, .patch, .txt, and .*x.pdf does not"):
        match.save(tmp_path / "x.pdf")
    with pytest.raises(UnwritableError, match="must be a file that can be written"):
        match.save(tmp_path / "none" / "x.json")
