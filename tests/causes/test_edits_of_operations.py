"""An operation that one program has otherwise, more or less: the edit of its line, whatever style it is written in."""

from textwrap import dedent
from typing import Any

import pytest

from parity.causes.edits.edit import Site, edit_of
from parity.models.edits import Mend, changed
from parity.models.layers import LayerInfo
from parity.models.source import Written

from .test_edits import code_of, lines, source

pytestmark = pytest.mark.quick


def edited(
    text: str, mend: Mend, made: tuple[str, ...] = (), called: tuple[str, ...] = (), side: str = "keras", **more: Any
) -> str | None:
    text = dedent(text).lstrip("\n")
    code = code_of(text)
    written = Written(lines(text, *made), lines(text, *called))
    edit = edit_of([mend], Site(side, written, lambda _: code, **more))
    return None if edit is None else changed(text, edit.changes)


@pytest.mark.parametrize(
    ("side", "before", "kind", "settings", "after"),
    [
        ("keras", 'ReLU(name="a")', "leaky_relu", {"slope": 0.1}, 'LeakyReLU(negative_slope=0.1, name="a")'),
        ("keras", 'layers.ReLU(name="a")', "gelu", {"approximate": False}, 'layers.Activation("gelu", name="a")'),
        ("keras", "layers.LeakyReLU(0.2)", "relu", {}, "layers.ReLU()"),
        ("keras", "layers.ReLU()", "relu6", {}, 'layers.Activation("relu6")'),
        ("keras", 'layers.Activation("linear", name="e")', "elu", {"alpha": 1.0}, 'layers.ELU(name="e")'),
        ("keras", "layers.Activation(f)", "hard_silu", {}, 'layers.Activation("hard_silu")'),
        ("keras", 'layers.Dense(8, activation="relu")', "tanh", {}, 'layers.Dense(8, activation="tanh")'),
        ("keras", 'layers.Dense(8, "relu", name="d")', "tanh", {}, 'layers.Dense(8, "tanh", name="d")'),
        ("keras", "layers.MaxPool2D(2)", "avg_pool", {}, "layers.AveragePooling2D(2)"),
        ("torch", "nn.Identity()", "elu", {"alpha": 0.5}, "nn.ELU(alpha=0.5)"),
        ("torch", "nn.ReLU(inplace=True)", "gelu", {"approximate": True}, 'nn.GELU(approximate="tanh")'),
        ("torch", "nn.AvgPool3d(2, 2)", "max_pool", {}, "nn.MaxPool3d(2, 2)"),
    ],
)  # fmt: skip
def test_a_layer_for_another(side: str, before: str, kind: str, settings: Any, after: str) -> None:
    mend = Mend("replace", kind, settings)
    text = "from keras.layers import LeakyReLU, ReLU\nx = {}  # kept\n"
    assert edited(text.format(before), mend, (before,), side=side) == text.format(after)


def test_what_cannot_be_written_is_left_alone() -> None:
    tanh = Mend("replace", "gelu", {"approximate": True})  # Keras's Activation has no arguments
    assert edited("x = layers.ReLU()\n", tanh, ("layers.ReLU()",)) is None
    assert edited("x = layers.Dense(8, activation=f)\n", tanh, ("layers.Dense(8, activation=f)",)) is None
    assert edited('x = MyDense(8, "relu")\n', Mend("replace", "tanh"), ('MyDense(8, "relu")',)) is None
    assert edited("x = nn.PReLU()\n", Mend("replace", "tanh"), ("nn.PReLU()",), side="torch") is None  # has a weight
    norm = Mend("replace", "batch_norm", {})
    assert edited("x = layers.ReLU()\n", norm, ("layers.ReLU()",)) is None


def test_a_function_for_another() -> None:
    text = "from keras import ops\ny = ops.relu(self.conv(x))\n"
    made = edited(text, Mend("replace", "gelu", {}), called=("ops.relu(self.conv(x))",))
    assert made == "from keras import ops\ny = ops.gelu(self.conv(x))\n"
    text = "import torch\ny = torch.relu(x)\n"
    made = edited(text, Mend("replace", "leaky_relu", {"slope": 0.2}), called=("torch.relu(x)",), side="torch")
    assert made == "import torch\ny = torch.nn.functional.leaky_relu(x, negative_slope=0.2)\n"


def test_one_too_many_is_left_out() -> None:
    text = "def f(self, x):\n    return torch.relu(self.fc(x), inplace=True)  # end\n"
    made = edited(text, Mend("without"), called=("torch.relu(self.fc(x), inplace=True)",), side="torch")
    assert made == "def f(self, x):\n    return self.fc(x)  # end\n"


def test_one_that_is_missing_goes_around_the_call() -> None:
    text = "from keras import layers, ops\ny = layers.Dense(8)(x)\n"
    made = edited(text, Mend("after", "relu"), ("layers.Dense(8)",), ("layers.Dense(8)(x)",))
    assert made == "from keras import layers, ops\ny = ops.relu(layers.Dense(8)(x))\n"
    text = "from torch import nn\ny = self.fc(x)\n"
    made = edited(text, Mend("after", "softmax"), called=("self.fc(x)",), side="torch")
    assert made is not None
    assert "y = nn.functional.softmax(self.fc(x), dim=1)" in made


def test_one_that_is_missing_goes_behind_its_layer_in_a_list() -> None:
    text = """
        net = nn.Sequential(
            nn.Linear(3, 4),
            nn.Linear(4, 5),  # last
        )
    """
    made = edited(text, Mend("after", "leaky_relu", {"slope": 0.1}), ("nn.Linear(3, 4)",), side="torch")
    assert made is not None
    assert "    nn.Linear(3, 4),\n    nn.LeakyReLU(negative_slope=0.1),\n    nn.Linear(4, 5),  # last\n" in made


def test_padding_by_a_layer_before_is_changed_there() -> None:
    text = """
        self.pad = layers.ZeroPadding2D(((0, 1), (0, 1)))
        self.other = layers.ZeroPadding2D(3)
        self.conv = layers.Conv2D(8, 3, 2)
    """
    pad, other, conv = (line.partition("= ")[2].strip() for line in dedent(text).strip().splitlines())
    clean = dedent(text).lstrip("\n")
    window = {"kernel_size": [3, 3], "stride": [2, 2], "dilation": [1, 1], "padding": [[0, 1], [0, 1]]}
    pads = tuple(
        LayerInfo(name, "zero_pad", {}, {"margins": margins}, made=lines(clean, call))
        for name, margins, call in (("other", [[3, 3], [3, 3]], other), ("pad", [[0, 1], [0, 1]], pad))
    )
    info = LayerInfo("conv", "conv", {}, window)
    made = edited(text, Mend("set", "padding", [1, 1]), (conv,), info=info, pads=pads)
    assert made is not None
    assert made.startswith("self.pad = layers.ZeroPadding2D(1)\nself.other = layers.ZeroPadding2D(3)\n")
    text = "nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, 2))\n"
    pad = LayerInfo(
        "pad", "zero_pad", {}, {"margins": [[0, 1], [0, 1]]}, made=lines(text, "nn.ZeroPad2d((0, 1, 0, 1))")
    )
    mend, more = Mend("set", "padding", [1, 1]), {"side": "torch", "info": info, "pads": (pad,)}
    made = edited(text, mend, ("nn.Conv2d(3, 8, 3, 2)",), **more)
    assert made == "nn.Sequential(nn.ZeroPad2d((1, 1, 1, 1)), nn.Conv2d(3, 8, 3, 2))\n"


def as_the_other(text: str, mine: str, theirs: str, about: str) -> str | None:
    other = f"\nz = {theirs}\n"
    made = edited(text + other, Mend("as the other", about, (source(text + other, theirs),)), called=(mine,))
    return None if made is None else made.removesuffix(other)


@pytest.mark.parametrize(
    ("mine", "theirs", "about", "after"),
    [
        ("x * self.block(x)", "x + f(x)", "another operation", "x + self.block(x)"),
        ("(a * b) - (c)", "a / b", "another operation", "(a * b) / (c)"),
        ("ops.softmax(scores, 1)", "torch.softmax(scores, -1)", "another axis", "ops.softmax(scores, -1)"),
        ("ops.softmax(s, axis=1)", "s.softmax(dim=2)", "another axis", "ops.softmax(s, axis=2)"),
        ("ops.concatenate([y, f(x)], -1)", "g(x)", "order of what is concatenated", "ops.concatenate([f(x), y], -1)"),
    ],
)
def test_an_expression_is_written_as_the_other_program_does(mine: str, theirs: str, about: str, after: str) -> None:
    assert as_the_other(f"y = {mine}  # kept\n", mine, theirs, about) == f"y = {after}  # kept\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "about"),
    [
        ("x + y", "x + z", "shortcut missing"),
        ("ops.softmax(s, axis)", "torch.softmax(s, -1)", "another axis"),
        ("ops.concatenate([a, b, c])", "torch.cat([c, a, b])", "order of what is concatenated"),
        ("f([a, b])", "g([b, a])", "order of what is concatenated"),
    ],
)
def test_expressions_that_do_not_say_it_are_left_alone(mine: str, theirs: str, about: str) -> None:
    assert as_the_other(f"y = {mine}\n", mine, theirs, about) is None


def test_a_mode_that_is_written_out_is_taken_out() -> None:
    text = "x = self.bn(x, training=True)  # always\n"
    assert edited(text, Mend("mode"), called=("self.bn(x, training=True)",)) == "x = self.bn(x)  # always\n"
    text = "x = self.bn(x, training=training)\n"
    assert edited(text, Mend("mode"), called=("self.bn(x, training=training)",)) is None
