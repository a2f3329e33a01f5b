"""The same report for other programs: short facts, annotations of lines, the table of a pull request."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from parity.errors import UnwritableError
from parity.reports import outputs
from parity.reports.formats.agent import agent
from parity.reports.formats.github import github
from parity.reports.formats.markdown import markdown
from parity.reports.pages.report_page import report_page

from .documents import mismatch as page_document, resnet50, step

pytestmark = pytest.mark.quick

COMMAND = "python -m parity.check --torch net:T --keras net:K --input-shape 3,8,8"
LINES = {
    "torch": {"file": "net.py", "line": 3, "text": "self.bn = nn.BatchNorm2d(8)"},
    "keras": {
        "file": "my port.py",
        "line": 7,
        "text": "self.bn = BatchNormalization()",
        "called": {"file": "my port.py", "line": 9, "text": "x = self.bn(x)"},
    },
}
EDIT = {"file": "my port.py", "line": 7, "before": "BatchNormalization()", "after": "BatchNormalization(epsilon=1e-5)"}


def match() -> Any:
    return resnet50() | {"message": "MATCH: resnet50 computes the same function"}


def mismatch(**more: Any) -> Any:
    """A norm with another epsilon, its lines and its edit."""
    cause = {"name": "BN eps", "path": "bn", "evidence": "100% of the gap\ncloses | here", "source": LINES} | more
    wrong = step("bn", "batch_norm", [2, 8, 4, 4], verdict="mismatch", faults=["structure"], why="it differs")
    wrong["structure"] = {"inherited": 6.8e-8, "added": 6.8e-8}
    return match() | {
        "verdict": "mismatch",
        "message": "MISMATCH: net differs in 1 of 2 layers; the first is bn",
        "layers": [step("conv", "conv", [2, 8, 4, 4]), wrong],
        "first": "bn",
        "cause": cause,
        "causes": [cause],
        "copy": "keras",
    }


def error() -> Any:
    empty: dict[str, Any] = {"layers": [], "environment": {}, "first": None, "cause": None, "static": []}
    return match() | empty | {"verdict": "error", "message": "a TARGET must be given", "target": "net"}


def test_an_agent_reads_one_fact_a_line() -> None:
    found = agent(mismatch(edit=EDIT, rerun=f"{COMMAND} --only bn"), COMMAND).splitlines()
    assert found[:5] == [
        "verdict: mismatch",
        "target: resnet50",
        "says: MISMATCH: net differs in 1 of 2 layers; the first is bn",
        "first: bn (batch_norm)",
        "why: it differs",
    ]
    assert "cause 1 Keras: my port.py:7: self.bn = BatchNormalization()" in found
    assert "cause 1 Keras called at: my port.py:9: x = self.bn(x)" in found
    assert found[-5:] == [
        "cause 1 edit: my port.py:7",
        "cause 1 - BatchNormalization()",
        "cause 1 + BatchNormalization(epsilon=1e-5)",
        f"cause 1 check again: {COMMAND} --only bn",
        f"command: {COMMAND}",
    ]
    assert "cause 1 evidence: 100% of the gap closes | here" in found


def test_a_list_of_reports_is_one_text() -> None:
    for form in (agent, markdown, github):
        text = form([match(), mismatch(), error()], COMMAND)
        assert all(part.strip() in text for part in (form(match(), COMMAND), form(error(), COMMAND)))


def test_annotations_stand_on_the_lines_of_the_copy() -> None:
    assert github(match(), COMMAND) == "::notice title=parity::MATCH: resnet50 computes the same function\n"
    wanted = "::error file=my port.py,line=7,title=parity%3A BN eps::BN eps at bn: 100%25 of the gap%0Acloses | here\n"
    assert github(mismatch(), COMMAND) == wanted
    torch = github(mismatch() | {"copy": "torch"}, COMMAND)
    assert torch.startswith("::error file=net.py,line=3,")
    assert github(mismatch(edit=EDIT), COMMAND).endswith("%0A->%0ABatchNormalization(epsilon=1e-5)\n")
    assert github(error(), COMMAND) == "::error title=parity::a TARGET must be given\n"


def test_annotations_without_a_line() -> None:
    assert github(mismatch(source=None), COMMAND).startswith("::error title=parity%3A BN eps::")
    assert github(mismatch() | {"cause": None, "causes": []}, COMMAND).startswith("::error title=parity::MISMATCH")


def test_the_table_of_a_pull_request() -> None:
    text = markdown(match(), COMMAND)
    assert text.startswith("**MATCH** resnet50\n\n|  |  |\n| --- | --- |\n")
    assert "| layers compared | 10, none at fault |" in text
    assert "| greatest difference in float64 | 8.1e-16 of its scale, at `conv1` (1e-10 is allowed) |" in text
    assert "| rounding in float32, worst layer | PyTorch 2.2e-07, Keras 2.3e-07 |" in text
    assert "| input | 2 x 3 x 224 x 224, seed 0 |" in text
    assert text.endswith(f"| command | `{COMMAND}` |\n")


def test_the_table_of_causes() -> None:
    text = markdown(mismatch(edit=EDIT), COMMAND)
    row = text.splitlines()[-1]
    assert row.startswith(
        "| `bn` | BN eps: 100% of the gap closes \\| here | `my port.py:7` | `BatchNormalization()` -> "
    )
    assert "| layers compared | 2, 1 at fault |" in text
    assert markdown(error(), COMMAND).startswith("**ERROR** net\n")
    unlike = mismatch()
    unlike["layers"][1]["structure"]["inherited"] = None
    assert "| greatest difference in float64 | not comparable, at `bn` (1e-10 is allowed) |" in markdown(
        unlike, COMMAND
    )


def asked(**more: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    outputs.add_options(parser)
    outputs.add_formats(parser)
    return argparse.Namespace(**vars(parser.parse_args([])) | {"command": COMMAND} | more)


@pytest.mark.parametrize("name", outputs.FORMATS)
def test_every_format_is_printed_alone(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = asked(format=name)
    outputs.check(arguments)
    outputs.write(arguments, mismatch())
    assert capsys.readouterr().out == outputs.FORMATS[name](mismatch(), COMMAND)
    assert not outputs.prints(arguments)
    assert outputs.prints(asked())
    assert not outputs.prints(asked(json="-"))


def test_json_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    outputs.write(asked(format="json"), mismatch())
    assert json.loads(capsys.readouterr().out) == mismatch()


def test_two_reports_on_stdout_are_refused() -> None:
    with pytest.raises(UnwritableError, match="--json and --format agent both write theirs"):
        outputs.check(asked(json="-", format="agent"))


def test_a_patch_is_written_of_all_that_is_known(tmp_path: Path) -> None:
    outputs.write(asked(patch=str(tmp_path / "a.diff")), [mismatch() | {"patch": "--- a\n"}, match()])
    assert (tmp_path / "a.diff").read_text() == "--- a\n"


def test_the_command_that_checks_again_says_nothing_of_outputs() -> None:
    said = f"{COMMAND} --json - --html=a.html --layers all --quiet --format agent --patch x.diff --dtype float64"
    assert outputs.again(said) == f"{COMMAND} --dtype float64"
    mend = "python -m parity.mend --torch 'a b:T' --keras b:K --in-place --only conv1"
    assert outputs.again(mend) == "python -m parity.check --torch 'a b:T' --keras b:K"


def test_a_cause_quotes_its_lines_and_its_edit() -> None:
    document = page_document()
    line = {"file": "net.py", "line": 3, "text": "x = Conv2D(8, 3, padding='same')(<x>)"}
    called = {"file": "net.py", "line": 9, "text": "y = self.conv(x)"}
    edit = {"file": "net.py", "line": 3, "before": line["text"], "after": "one\ntwo"}
    told = {"source": {"torch": None, "keras": line | {"called": called}}, "edit": edit, "rerun": "check --only conv"}
    document["causes"][0] |= told
    page = report_page(document, "command")
    for text in (
        "net.py:3",
        "(&lt;x&gt;)",
        "called at net.py:9",
        "<ins>+ one</ins>",
        "<ins>+ two</ins>",
        "check --only",
    ):
        assert text in page
