"""A layer that must be told otherwise, left out, or have another beside it: the change of the line that makes it."""

from textwrap import dedent
from typing import Any

import pytest

from parity.causes.edits.edit import Site, edit_of
from parity.models.calls import Call, Edit
from parity.models.edits import Mend, changed
from parity.models.layers import LayerInfo
from parity.models.source import Written

from .test_edits import code_of, lines

pytestmark = pytest.mark.quick

UP = {"kernel_size": [3, 3], "stride": [2, 2], "dilation": [1, 1], "transposed_padding": [[0, 1], [0, 1]]}


def edited(
    text: str, mend: Mend, made: str, called: str = "", side: str = "keras", static: Any = None, pads: str = ""
) -> str | None:
    text = dedent(text).lstrip("\n")
    code = code_of(text)
    written = Written(lines(text, *filter(None, [made])), lines(text, *filter(None, [called])))
    before = (LayerInfo("pad", "zero_pad", {}, {}, made=lines(text, pads)),) if pads else ()
    info = LayerInfo("layer", "conv_transpose", {}, static or {})
    edit = edit_of([mend], Site(side, written, lambda _: code, info, None, before))
    return None if edit is None else changed(text, edit.changes)


@pytest.mark.parametrize(
    ("side", "before", "name", "value", "after"),
    [
        ("keras", "layers.Dropout(0.5)", "dropout", "dropout 0.2", "layers.Dropout(0.2)"),
        ("torch", "nn.Dropout(0.5)", "dropout", "none", "nn.Dropout(0.0)"),
        (
            "torch",
            "nn.Conv2d(3, 8, 3, padding=1)",
            "padding_mode",
            "reflect",
            'nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")',
        ),
        (
            "torch",
            "nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1)",
            "transposed_padding",
            [[1, 0], [1, 0]],
            "nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)",
        ),
        (
            "keras",
            'layers.Bidirectional(layers.LSTM(6, recurrent_activation="hard_sigmoid"))',
            "recurrent_activation",
            "sigmoid",
            'layers.Bidirectional(layers.LSTM(6, recurrent_activation="sigmoid"))',
        ),
        (
            "keras",
            'layers.Conv2DTranspose(8, 3, strides=2, padding="same")',
            "transposed_padding",
            [[0, 0], [0, 0]],
            'layers.Conv2DTranspose(8, 3, strides=2, padding="valid")',
        ),
    ],
)
def test_a_setting(side: str, before: str, name: str, value: Any, after: str) -> None:
    made = edited(f"x = {before}\n", Mend("set", name, value), before, side=side, static=UP)
    assert made == f"x = {after}\n"


def test_what_drops_otherwise_cannot_be_told_by_a_rate() -> None:
    assert (
        edited("x = layers.Dropout(0.5)\n", Mend("set", "dropout", "Gaussian noise 0.5"), "layers.Dropout(0.5)") is None
    )


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("x = Sequential([{}, ReLU()])\n", "x = Sequential([{}, Cropping2D(((1, 0), (1, 0))), ReLU()])\n"),
        ("m.add({})\nm.add(ReLU())\n", "m.add({})\nm.add(Cropping2D(((1, 0), (1, 0))))\nm.add(ReLU())\n"),
        ("y = {}(x)\n", "y = Cropping2D(((1, 0), (1, 0)))({}(x))\n"),
    ],
)
def test_what_only_a_crop_can_cut(text: str, after: str) -> None:
    head = "from keras.layers import Conv2DTranspose, Cropping2D, ReLU\n"
    before, right = (f"Conv2DTranspose(8, 3, strides=2, padding={word})" for word in ('"same"', '"valid"'))
    made = edited(head + text.format(before), Mend("set", "transposed_padding", [[1, 0], [1, 0]]), before, static=UP)
    assert made == head + after.format(right)


@pytest.mark.parametrize(
    ("side", "before", "kind", "after"),
    [
        ("keras", 'layers.GlobalMaxPooling2D(name="p")', "global_avg_pool", 'layers.GlobalAveragePooling2D(name="p")'),
        ("torch", "nn.AdaptiveAvgPool2d(1)", "global_max_pool", "nn.AdaptiveMaxPool2d(1)"),
    ],
)
def test_a_pool_for_another(side: str, before: str, kind: str, after: str) -> None:
    assert edited(f"x = {before}\n", Mend("replace", kind, {}), before, side=side) == f"x = {after}\n"


@pytest.mark.parametrize(
    ("side", "before", "kind", "after"),
    [
        ("torch", "F.adaptive_avg_pool2d(x, 1)", "global_max_pool", "F.adaptive_max_pool2d(x, 1)"),
        ("torch", "x.mean((2, 3))", "global_max_pool", "x.amax((2, 3))"),
        ("keras", "ops.max(x, axis=(1, 2))", "global_avg_pool", "ops.mean(x, axis=(1, 2))"),
    ],
)
def test_a_function_for_another(side: str, before: str, kind: str, after: str) -> None:
    assert edited(f"y = {before}\n", Mend("replace", kind, {}), "", before, side) == f"y = {after}\n"


def test_an_activation_too_many_is_left_out_where_it_is_told() -> None:
    dense = 'layers.Dense(3, activation="relu")'
    assert edited(f"x = {dense}\n", Mend("without"), dense) == "x = layers.Dense(3, activation=None)\n"
    text = "x = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Tanh())\n"
    assert edited(text, Mend("without"), "nn.ReLU()", side="torch") == "x = nn.Sequential(nn.Linear(2, 3), nn.Tanh())\n"
    text = "class Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(nn.Linear(2, 3), nn.ReLU())\n"
    made = edited(text, Mend("without"), "nn.ReLU()", side="torch")
    assert made is not None
    assert "super().__init__(nn.Linear(2, 3))" in made


def test_another_mode_of_a_padding_layer() -> None:
    text = "x = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 8, 3))\n"
    made = edited(text, Mend("padding mode", "reflect"), "nn.Conv2d(3, 8, 3)", side="torch", pads="nn.ZeroPad2d(1)")
    assert made == "x = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3))\n"


def test_what_pads_already_pads_otherwise() -> None:
    text = "from keras import ops\ny = self.conv(ops.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))))\n"
    static = {"kernel_size": [3, 3], "stride": [2, 2], "dilation": [1, 1], "padding": [0, 0]}
    text = text + 'self.conv = layers.Conv2D(8, 3, 2, "valid")\n'
    call = "self.conv(ops.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))))"
    code = code_of(text)
    written = Written(lines(text, 'layers.Conv2D(8, 3, 2, "valid")'), lines(text, call))
    site = Site("keras", written, lambda _: code, LayerInfo("conv", "conv", {}, static))
    edit = edit_of([Mend("set", "padding", [1, 1])], site)
    assert edit is not None
    assert "self.conv(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))" in changed(text, edit.changes)


@pytest.mark.parametrize(
    ("side", "value", "had", "after"),
    [
        ("keras", 2, 3, "MultiHeadAttention(num_heads=3, key_dim=4)"),
        ("torch", 2, 3, "MultiHeadAttention(2, key_dim=6)"),
    ],
)
def test_a_number_of_heads(side: str, value: int, had: int, after: str) -> None:
    if side == "torch":
        text = "self.a = nn.MultiheadAttention(12, 3)\ny = self.a(x, x, x)\n"
        call = "self.a(x, x, x)"
        after = "self.a = nn.MultiheadAttention(12, 2)"
    else:
        text = "y = layers.MultiHeadAttention(num_heads=2, key_dim=6)(x, x)\n"
        call = text.partition("= ")[2].strip()
    name = "multi_head_attention_forward"
    told = ((Call(name, (("num_heads", had),), 4, lines(text, call)), Edit(0, "argument", "num_heads", value)),)
    made = edited(text, Mend("call", value=told), "", call, side)
    assert made is not None
    assert after in made
