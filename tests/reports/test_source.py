"""Definitions are paired by qualified name and statements by line; whatever has no twin fails."""

import re

import pytest

from parity.reports.sidebyside.notes import NOTES, Note, StaleNoteError, attached
from parity.reports.sidebyside.source import UnpairedError, chosen, read_pair, sections, twins
from parity.reports.sidebyside.tokens import lines

pytestmark = pytest.mark.quick

TORCH, KERAS = read_pair("blocks.py")


def test_every_definition_of_the_twins_is_shown() -> None:
    paths = [section.path for section in twins()]
    assert {"Bottleneck", "Bottleneck.__init__", "Bottleneck.forward", "make_shortcut", "ResNet._build_stem"} <= {
        *paths
    }
    assert len(paths) == len({*paths})


def test_every_line_of_the_twins_is_shown_once() -> None:
    """From the first import to the end, but for docstrings, blank lines and the table of builders."""
    shown = [(section.file, side.text) for section in twins() for row in section.rows if (side := row.torch)]
    for file in ("blocks.py", "resnet.py"):
        text = "\n".join(text for name, text in shown if name == file)
        for line in read_pair(file)[0].splitlines():
            if line.startswith(("class ", "def ", "import ", "from ", "    " * 2)) and "self." in line:
                assert line in text
        for line in re.findall(r"^ *(?:class|def|import|from|return|if|for|self\.\w+ =) .*[^.]$", text, re.M):
            assert line in read_pair(file)[0].splitlines()


def test_every_statement_has_its_counterpart_on_its_line() -> None:
    alone = [row.path for section in twins() for row in section.rows if row.torch is None or row.keras is None]
    assert alone == []


@pytest.mark.parametrize(
    ("change", "alone"),
    [
        (("class Branch", "class Arm"), "torch alone has Branch, Branch.__init__, Branch.forward"),
        (("def make_shortcut", "def shortcut"), "torch alone has make_shortcut and Keras alone has shortcut"),
        (("    def call(self, x: Tensor) -> Tensor:", "    def run(self, x: Tensor) -> Tensor:"), "Residual.run"),
    ],
)
def test_an_unpaired_definition_fails(change: tuple[str, str], alone: str) -> None:
    with pytest.raises(UnpairedError, match="must be in both packages") as error:
        sections("blocks.py", TORCH, KERAS.replace(*change))
    assert alone in str(error.value)


def test_an_unpaired_function_inside_a_function_fails() -> None:
    torch, keras = read_pair("resnet.py")
    with pytest.raises(UnpairedError, match=r"ResnetBlock\.__init__\.rest"):
        sections("resnet.py", torch.replace("def residual(", "def rest("), keras)


def test_a_statement_of_one_side_has_an_empty_cell() -> None:
    (section,) = sections("x", "def f():\n    a = 1\n    return a\n", "def f():\n    a = 1\n\n    return a\n")[1:]
    assert [(bool(row.torch), bool(row.keras)) for row in section.rows] == [
        (True, True), (True, True), (True, False), (False, True)
    ]  # fmt: skip


def test_tokens_that_differ_are_marked_and_no_others() -> None:
    row = next(row for section in twins() for row in section.rows if row.path == "Bottleneck.__init__.norm")
    marked = [["".join(t.text for t in line.tokens if t.differs) for line in side] for side in lines(row)]
    assert marked == [["nn.BatchNorm2deps"], ["BatchNormalizationepsilon1 -"]]


def test_the_code_survives_its_colours() -> None:
    for section in twins():
        for row in section.rows:
            for side, shown in zip((row.torch, row.keras), lines(row), strict=True):
                assert side is not None
                assert "\n".join(line.text for line in shown) == side.text


def test_a_line_both_sides_share_is_the_same_line() -> None:
    row = next(row for section in twins() for row in section.rows if row.path == "Bottleneck.__init__.def")
    ours, theirs = lines(row)
    assert all(line.same for line in (*ours, *theirs))


def test_choosing_a_class_brings_its_methods() -> None:
    found = [section.path for section in chosen(twins(), ["Bottleneck"])]
    assert found == ["Bottleneck", "Bottleneck.__init__", "Bottleneck.forward"]
    assert [section.path for section in chosen(twins(), ["ResNet.call"])] == ["ResNet.forward"]


def test_every_note_fits_a_statement_and_is_written_once() -> None:
    paths = [row.path for section in twins() for row in section.rows]
    found = attached(paths)
    assert {note.key for notes in found.values() for note in notes} == {note.key for note in NOTES}
    assert len({note.key for note in NOTES}) == len({note.text for note in NOTES}) == len(NOTES)


def test_a_note_that_fits_nothing_fails() -> None:
    note = Note("old", "Old", "No longer true.", ("Bottleneck.__init__.conv4",))
    with pytest.raises(StaleNoteError, match=r"old \(Bottleneck.__init__.conv4\)"):
        attached(["Bottleneck.__init__.conv3"], (note,))
