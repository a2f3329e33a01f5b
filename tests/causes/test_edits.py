"""A setting that differs and the line that made its layer: the edit of the text, or none where it is not literal."""

import ast
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest

from parity.causes.edits.code import Code
from parity.causes.edits.edit import Site, edit_of
from parity.models.edits import Mend, changed, overlap, patch
from parity.models.layers import LayerInfo
from parity.models.source import Source, Sources, Written

pytestmark = pytest.mark.quick

WINDOW = {"kernel_size": [3, 3], "stride": [2, 2], "dilation": [1, 1], "padding": "same"}
LEFT_ALONE: dict[str, Any] = {}


def source(text: str, expression: str, place: int = 0) -> Source:
    """The place of the expression that is written so, as a run has it."""
    calls = [
        x
        for x in ast.walk(ast.parse(text))
        if isinstance(x, ast.expr) and ast.get_source_segment(text, x) == expression
    ]
    call = calls[place]
    assert call.end_lineno is not None
    assert call.end_col_offset is not None
    span = call.lineno, call.end_lineno, call.col_offset, call.end_col_offset
    return Source("net.py", call.lineno, "", span, "net.py")


def lines(text: str, *expressions: str) -> Sources:
    return tuple(source(text, expression) for expression in expressions)


def code_of(text: str) -> Code:
    return Code("net.py", "net.py", text, ast.parse(text))


def edited(
    text: str, made: tuple[str, ...], mends: list[Mend], side: str = "keras", static: Any = LEFT_ALONE, **more: Any
) -> str | None:
    """The text after the edit of the layer made at these calls, the innermost first; None where there is none."""
    text = dedent(text).lstrip("\n")
    called = lines(text, *more.pop("called", ()))
    info = LayerInfo("layer", more.pop("kind", "conv"), {}, static)
    code = code_of(text)
    site = Site(side, Written(lines(text, *made), called), lambda _: code, info, more.pop("size", None))
    edit = edit_of(mends, site)
    return None if edit is None else changed(text, edit.changes)


@pytest.mark.parametrize(
    ("side", "before", "name", "value", "after"),
    [
        ("keras", "BatchNormalization()", "eps", 1e-5, "BatchNormalization(epsilon=1e-5)"),
        ("keras", "layers.BatchNormalization(-1, 0.99)", "momentum", 0.1, "layers.BatchNormalization(-1, 0.9)"),
        ("keras", "BatchNormalization(epsilon=1e-3,)", "eps", 1.001e-5, "BatchNormalization(epsilon=1.001e-5,)"),
        ("keras", "LeakyReLU()", "slope", 0.01, "LeakyReLU(negative_slope=0.01)"),
        ("keras", "GRU(8)", "reset_after", True, "GRU(8, reset_after=True)"),
        ("keras", "Conv2D(8, 3, 2)", "stride", [1, 1], "Conv2D(8, 3, 1)"),
        ("keras", "Conv2D(8, 3, strides=(2, 2))", "stride", [1, 2], "Conv2D(8, 3, strides=(1, 2))"),
        ("keras", "MaxPool2D(2)", "kernel_size", [3, 3], "MaxPool2D(3)"),
        ("keras", "UpSampling2D(2)", "interpolation", "linear", "UpSampling2D(2, interpolation='bilinear')"),
        ("torch", "nn.BatchNorm2d(8)", "eps", 1e-3, "nn.BatchNorm2d(8, eps=0.001)"),
        ("torch", "nn.Conv2d(3, 8, 3, 2, 1)", "dilation", [2, 2], "nn.Conv2d(3, 8, 3, 2, 1, dilation=2)"),
        ("torch", "nn.GELU()", "approximate", True, 'nn.GELU(approximate="tanh")'),
        ("torch", "nn.GroupNorm(4, 8)", "norm_groups", 2, "nn.GroupNorm(2, 8)"),
    ],
)
def test_a_setting(side: str, before: str, name: str, value: Any, after: str) -> None:
    assert edited(f"x = {before}  # kept\n", (before,), [Mend("set", name, value)], side) == f"x = {after}  # kept\n"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("x = BatchNormalization(**norm)", "BatchNormalization(**norm)"),  # it may be given there
        ("x = BatchNormalization(epsilon=a + b)", "BatchNormalization(epsilon=a + b)"),
        ("for e in (1, 2):\n    x = BatchNormalization(epsilon=e)", "BatchNormalization(epsilon=e)"),
        ("x = norm()", "norm()"),
        ("x = make(BatchNormalization)", "make(BatchNormalization)"),
    ],
)
def test_what_is_not_literal_is_left_alone(text: str, call: str) -> None:
    assert edited(text, (call,), [Mend("set", "eps", 1e-5)]) is None


def test_what_keras_cannot_be_told_is_left_alone() -> None:
    corners = Mend("set", "interpolation", "linear, corners aligned")
    assert edited("x = UpSampling2D(2)\n", ("UpSampling2D(2)",), [corners]) is None


def test_two_settings_are_one_edit() -> None:
    both = [Mend("set", "eps", 1e-5), Mend("set", "momentum", 0.1)]
    made = edited("x = BatchNormalization()\n", ("BatchNormalization()",), both)
    assert made == "x = BatchNormalization(epsilon=1e-5, momentum=0.9)\n"


def test_a_parameter_is_literal_where_its_function_is_called() -> None:
    text = """
        def block(x, width, stride=1):
            return Conv2D(width, 3, strides=stride)(x)

        y = block(x, 8, stride=2)
        z = block(y, 8)
    """
    made = "Conv2D(width, 3, strides=stride)"
    one = edited(text, (made, "block(x, 8, stride=2)"), [Mend("set", "stride", [1, 1])])
    assert one is not None
    assert "block(x, 8, stride=1)" in one
    assert made in one
    other = edited(text, (made, "block(y, 8)"), [Mend("set", "stride", [2, 2])])
    assert other is not None
    assert "block(y, 8, stride=2)" in other


def test_a_parameter_of_a_class_and_a_constant_of_the_file() -> None:
    text = """
        EPS = 1e-3

        class Block(Layer):
            def __init__(self, stride):
                self.conv = Conv2D(8, 3, stride)
                self.norm = BatchNormalization(epsilon=EPS)

        b = Block(2)
    """
    made = edited(text, ("Conv2D(8, 3, stride)", "Block(2)"), [Mend("set", "stride", [1, 1])])
    assert made is not None
    assert "b = Block(1)" in made
    made = edited(text, ("BatchNormalization(epsilon=EPS)",), [Mend("set", "eps", 1e-5)])
    assert made is not None
    assert "BatchNormalization(epsilon=1e-5)" in made
    assert "EPS = 1e-3" in made


PAD = [Mend("set", "padding", [1, 1])]


def test_padding_of_a_layer_that_is_called_on_the_spot() -> None:
    text = 'y = layers.Conv2D(8, 3, 2, padding="same", name="ü")(x)  # é\n'
    made = edited(text, ('layers.Conv2D(8, 3, 2, padding="same", name="ü")',), PAD, static=WINDOW)
    assert made == 'y = layers.Conv2D(8, 3, 2, padding="valid", name="ü")(layers.ZeroPadding2D(1)(x))  # é\n'


def test_padding_of_a_layer_in_a_list() -> None:
    text = """
        from keras.layers import Conv2D
        net = keras.Sequential([
            Conv2D(8, 3, 2, "same"),  # first
            Conv2D(8, 1),
        ])
    """
    made = edited(text, ('Conv2D(8, 3, 2, "same")',), PAD, static=WINDOW)
    assert made is not None
    assert "import Conv2D, ZeroPadding2D\n" in made
    assert '    ZeroPadding2D(1),\n    Conv2D(8, 3, 2, "valid"),  # first\n' in made


def test_padding_of_a_layer_that_is_added() -> None:
    text = 'if True:\n    net.add(layers.Conv2D(8, 3, 2, padding="same"))\n'
    made = edited(text, ('layers.Conv2D(8, 3, 2, padding="same")',), PAD, static=WINDOW)
    assert made == (
        'if True:\n    net.add(layers.ZeroPadding2D(1))\n    net.add(layers.Conv2D(8, 3, 2, padding="valid"))\n'
    )


def test_padding_of_a_layer_that_is_called_elsewhere() -> None:
    text = """
        from keras import layers
        class Net:
            def __init__(self):
                self.conv = layers.Conv2D(8, 3, 2, padding="same")
                self.pool = layers.MaxPooling2D(3, 2, "same")
            def call(self, x):
                return self.pool(self.conv(x))
    """
    made = edited(text, ('layers.Conv2D(8, 3, 2, padding="same")',), PAD, static=WINDOW, called=("self.conv(x)",))
    assert made is not None
    assert made.startswith("from keras import layers\nimport keras\n")
    assert "self.conv(keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))" in made
    assert 'padding="valid"' in made
    more = {"called": ("self.pool(self.conv(x))",), "kind": "max_pool"}
    made = edited(text, ('layers.MaxPooling2D(3, 2, "same")',), PAD, static=WINDOW, **more)
    assert made is not None
    assert 'constant_values=-float("inf"))' in made


def test_padding_that_keras_has_a_word_for() -> None:
    plain = WINDOW | {"stride": [1, 1], "padding": [0, 0]}
    assert edited("x = Conv2D(8, 3)\n", ("Conv2D(8, 3)",), PAD, static=plain) == 'x = Conv2D(8, 3, padding="same")\n'
    nothing = [Mend("set", "padding", [0, 0])]
    made = edited('x = Conv2D(8, 3, 2, "same")\n', ('Conv2D(8, 3, 2, "same")',), nothing, static=WINDOW)
    assert made == 'x = Conv2D(8, 3, 2, "valid")\n'


def test_padding_that_stands_elsewhere_is_left_alone() -> None:
    """A layer before it pads by too much: another one would pad twice."""
    padded = WINDOW | {"padding": [2, 2]}
    text = "y = layers.Conv2D(8, 3, 2)(layers.ZeroPadding2D(2)(x))\n"
    assert edited(text, ("layers.Conv2D(8, 3, 2)",), PAD, static=padded) is None


def test_torch_s_padding() -> None:
    own = WINDOW | {"padding": [1, 1]}
    text = "net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1))\n"
    made = edited(text, ("nn.Conv2d(3, 8, 3, 2, 1)",), [Mend("set", "padding", [2, 2])], "torch", own)
    assert made == "net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 2))\n"
    made = edited(text, ("nn.Conv2d(3, 8, 3, 2, 1)",), [Mend("set", "padding", "same")], "torch", own, size=(3, 8, 8))
    assert made == "net = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, 2, 0))\n"


def test_a_permutation_before_a_flatten() -> None:
    text = "y = layers.Flatten()(x)\n"
    made = edited(text, ("layers.Flatten()",), [Mend("channels first", value=(3, 1, 2))], kind="flatten")
    assert made == "y = layers.Flatten()(layers.Permute((3, 1, 2))(x))\n"


def test_what_is_shown_are_the_lines_that_change() -> None:
    text = 'import keras\n\nif keras:\n    y = BatchNormalization(\n        name="b",  # its name\n    )(x)\n'
    call = 'BatchNormalization(\n        name="b",  # its name\n    )'
    code = code_of(text)
    info = LayerInfo("bn", "batch_norm", {}, {})
    edit = edit_of([Mend("set", "eps", 1e-5)], Site("keras", Written(lines(text, call)), lambda _: code, info))
    assert edit is not None
    assert edit.to_json() == {
        "file": "net.py",
        "line": 5,
        "before": 'name="b",  # its name',
        "after": 'name="b", epsilon=1e-5,  # its name',
    }


def test_a_file_that_was_changed_since_is_left_alone() -> None:
    text = "x = BatchNormalization()\n"
    (place,) = lines(text, "BatchNormalization()")
    for line, found in (("x = BatchNormalization()", True), ("y = BatchNormalization()", False)):
        site = Site("keras", Written(called=(replace(place, text=line),)), lambda _: code_of(text))
        assert (edit_of([Mend("set", "eps", 1e-5)], site) is not None) is found


def test_edits_of_one_place_are_not_both_made() -> None:
    text = "x = BatchNormalization(epsilon=1e-3)\n"
    code = code_of(text)
    written = Written(lines(text, "BatchNormalization(epsilon=1e-3)"))
    site = Site("keras", written, lambda _: code, LayerInfo("bn", "batch_norm", {}, {}))
    made = [edit_of([Mend("set", "eps", eps)], site) for eps in (1e-5, 1e-6)]
    other = edit_of([Mend("set", "momentum", 0.1)], site)
    assert made[0] is not None
    assert made[1] is not None
    assert other is not None
    assert overlap(made[0].changes, made[1].changes)
    assert not overlap(made[0].changes, other.changes)
    assert not overlap(made[0].changes, made[0].changes)


def test_a_patch() -> None:
    found = patch({"a.py": ("x = 1\ny = 2", "x = 1\ny = 3"), "b.py": ("same\n", "same\n")})
    assert found.startswith("--- a.py\n+++ a.py\n@@ ")
    assert "-y = 2\n\\ No newline at end of file\n+y = 3\n" in found
    assert "b.py" not in found
