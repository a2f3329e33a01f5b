"""What two programs do between layers, written otherwise: the change of one that makes it as the other."""

from textwrap import dedent
from typing import Any

import pytest

from parity.causes.edits.alike import exchanged, likely, listed_otherwise, scaled
from parity.causes.edits.calls import as_called
from parity.causes.edits.flow import Spot, flow
from parity.causes.edits.naming import operation
from parity.models.calls import Call, Edit
from parity.models.edits import changed
from parity.models.source import Written

from .test_edits import code_of, lines

# ruff: noqa: E501 - one case a line

pytestmark = pytest.mark.quick

HEAD = "import torch\nfrom keras import ops\n"


def spot(text: str, expression: str) -> Spot:
    code = code_of(text)
    node = code.expression_at(lines(text, expression)[0].span)
    assert node is not None
    return Spot(code, node)


def function(*statements: str) -> str:
    return f"{HEAD}def f(self, x, y):\n" + "".join(f"    {one}\n" for one in statements)


def all_edits(about: str, mine: tuple[Any, str], theirs: tuple[Any, str], side: str = "keras") -> list[str]:
    """What the lines of a function may become, without their margin. mine, theirs: the statements, an expression."""
    made = likely(about, spot(function(*mine[0]), mine[1]), spot(function(*theirs[0]), theirs[1]), side)
    texts = (changed(code.text, changes) for code, changes in made)
    return [dedent(text.partition("def f(self, x, y):\n")[2]).strip() for text in texts]


@pytest.mark.parametrize(
    ("about", "mine", "theirs", "wanted"),
    [
        ("constant factor", "q @ k * 0.5", "q @ k * 0.25", "q @ k * 0.25"),
        ("another function", "x[:, 2:, 2:, :]", "x[:, :, 1:-1, 1:-1]", "x[:, 1:-1, 1:-1, :]"),
        ("another axis", "ops.softmax(x, axis=1)", "torch.softmax(x, dim=-1)", "ops.softmax(x, axis=-1)"),
        ("operation missing or extra", "ops.where(m == 0, 1.0, x)", "torch.where(m == 1, 1.0, x)", "ops.where(m == 1, 1.0, x)"),
        ("another operation", "x * self.fc(y)", "x + self.fc(y)", "x + self.fc(y)"),
        ("gate missing or extra", "x * y", "x", "x"),
        ("gate missing or extra", "x", "x * y", "x * y"),
        ("shortcut missing", "self.fc(y)", "x + self.fc(y)", "x + self.fc(y)"),
        ("constant factor", "self.embed(y)", "self.embed(y) * 8**0.5", "self.embed(y) * 8**0.5"),
        ("channel order of the input", "x[..., ::-1]", "x", "x"),
        ("channel order of the input", "x", "x.flip(1)", "x[..., ::-1]"),
        ("reduced precision", 'ops.cast(ops.cast(x, "bfloat16"), x.dtype)', "x", "x"),
        ("cast to whole numbers", "x.long().to(x.dtype)", "x", "x"),
    ],
)  # fmt: skip
def test_one_expression_as_the_other(about: str, mine: str, theirs: str, wanted: str) -> None:
    made = all_edits(about, ((f"z = {mine}",), mine), ((f"z = {theirs}",), theirs))
    assert f"z = {wanted}" in made[:2], made


def test_names_are_followed() -> None:
    mine = ("a = x - 0.5", "b = a / 0.5", "z = self.conv(b)"), "b"
    theirs = ("a = (x - 0.45) / 0.225", "z = self.conv(a)"), "(x - 0.45) / 0.225"
    text = function(*mine[0])
    code = code_of(text)
    name = code.expression_at(lines(text, "self.conv(b)")[0].span).args[0]  # type: ignore[union-attr]
    assert [operation(node) for node in flow(Spot(code, name))] == ["div", "sub"]
    made = likely("another offset", Spot(code, name), spot(function(*theirs[0]), theirs[1]), "keras")
    texts = [changed(text, changes) for _, changes in made]
    assert any("a / 0.225" in one for one in texts)
    assert any("x - 0.45" in one for one in texts)


@pytest.mark.parametrize(
    ("call", "edit", "torch", "keras"),
    [
        (Call("softmax", (("dim", -1),), 1, (), ("input", "dim")), Edit(0, "argument", "dim", 1), ("torch.softmax(x, -1)", "torch.softmax(x, 1)"), ("ops.softmax(x, axis=1)", "ops.softmax(x, axis=-1)")),
        (Call("mul", (("other", 0.5),), 1, (), ("input", "other")), Edit(0, "argument", "other", 0.25), ("x * 0.5", "x * 0.25"), ("x * 0.25", "x * 0.5")),
        (Call("mul", (("other", 0.5),), 1, (), ("input", "other")), Edit(0, "skip", value=0), ("x * 0.5", "x"), ("x + y", "(x + y) * 0.5")),
        (Call("sub", (), 2), Edit(0, "swap"), ("x - y", "y - x"), ("y - x", "x - y")),
        (Call("add", (), 2), Edit(0, "function", "maximum", 2), ("x + y", "torch.maximum(x, y)"), ("ops.maximum(x, y)", "(x + y)")),
        (Call("getitem", (("idx", (slice(None), 0)),), 1), Edit(0, "reduce", "mean", 1), ("x[:, 0]", "x.mean(1)"), ("ops.mean(x, 1)", "x[:, 0]")),
        (Call("getitem", (("idx", (slice(None), 0)),), 1), Edit(0, "argument", "idx", (slice(None), -1)), ("x[:, 0]", "x[:, -1]"), ("x[:, -1]", "x[:, 0]")),
        (Call("cumsum", (("dim", 1),), 1), Edit(0, "then", "relu"), ("torch.cumsum(x, 1)", "torch.relu(torch.cumsum(x, 1))"), ("ops.relu(ops.cumsum(x, 1))", "ops.cumsum(x, 1)")),
    ],
)  # fmt: skip
def test_a_call_of_torchs(call: Call, edit: Edit, torch: tuple[str, str], keras: tuple[str, str]) -> None:
    for side, (before, after) in (("torch", torch), ("keras", keras)):
        text = function(f"z = {before}")
        where = lines(text, before)
        code = code_of(text)
        own = Call(call.name, call.arguments, call.tensors, where, call.names)
        made = next(as_called(((own, edit),), Written((), where), side, lambda _, code=code: code), None)
        assert made is not None, (side, before)
        assert f"    z = {after}\n" in changed(text, made[1]), changed(text, made[1])


def test_two_that_have_changed_places() -> None:
    text = function("z = self.relu(self.bn(x, training=True))")
    code, changes = next(
        exchanged(spot(text, "self.bn(x, training=True)"), spot(text, "self.relu(self.bn(x, training=True))"))
    )
    assert "z = self.bn(self.relu(x), training=True)\n" in changed(code.text, changes)
    text = function('y = ReLU(name="a")(x)', "z = Norm()(y)")
    code, changes = next(exchanged(spot(text, 'ReLU(name="a")(x)'), spot(text, "Norm()(y)")))
    assert 'y = Norm()(x)\n    z = ReLU(name="a")(y)\n' in changed(code.text, changes)
    text = "net = Sequential([ReLU(), Norm(eps=1)])\n"
    one, other = spot(text, "ReLU()"), spot(text, "Norm(eps=1)")
    other = Spot(
        one.code, next(node for node in flow(Spot(one.code, one.code.tree.body[0].value)) if operation(node) == "norm")
    )  # type: ignore[attr-defined]
    code, changes = next(listed_otherwise(one, other))
    assert changed(code.text, changes) == "net = Sequential([Norm(eps=1), ReLU()])\n"


@pytest.mark.parametrize(
    ("side", "numbers", "after"),
    [
        ("torch", (2.0, 0.5), "x * 2 + 0.5"),
        ("keras", (2.0, 0.5), "(x - 0.5) / 2"),
        ("keras", (1 / 255, 0.0), "x * 255"),
        ("torch", (1 / 255, 0.0), "x / 255"),
        ("keras", (1.0, 0.25), "x - 0.25"),
    ],
)
def test_a_scale_and_an_offset(side: str, numbers: tuple[float, float], after: str) -> None:
    code, changes = next(scaled(*numbers, spot(function("z = x"), "x"), side))
    assert f"    z = {after}\n" in changed(code.text, changes)


def test_a_sum_that_the_other_program_has_as_a_layer() -> None:
    mine = ("s = self.shortcut(x)", "z = torch.relu(y)"), "torch.relu(y)"
    made = all_edits("shortcut missing", mine, (("z = layers.Add()([y, s])",), "layers.Add()([y, s])"), "torch")
    assert any("torch.relu(y + s)" in one for one in made), made
