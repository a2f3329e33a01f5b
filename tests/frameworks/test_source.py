"""Where in a program its layers and operations stand: both frameworks, every style of model, read or not."""

import linecache
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from keras import layers, ops
from torch import Tensor, nn

import parity
from parity.frameworks.build import side_of
from parity.frameworks.source import MADE, written
from parity.models.inputs import inputs_of
from parity.models.source import Source
from parity.models.steps import Step

HERE = Path(__file__)
TEXT = HERE.read_text().splitlines()
X = np.random.default_rng(0).standard_normal((1, 3, 8, 8))


def conv(width: int) -> nn.Conv2d:
    return nn.Conv2d(3, width, 3)  # made here


class Torch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(4)  # for this
        self.rest = nn.Sequential(
            nn.Conv2d(4, 4, 1),  # first of a list
            nn.ReLU(),  # second of a list
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)  # the call
        x = F.max_pool2d(self.rest(x), 2)  # a function
        return F.relu(x + x * 0.5)  # an addition


class Keras(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.conv = layers.Conv2D(4, 3)  # Keras's conv
        self.rest = keras.Sequential(
            [
                layers.Conv2D(4, 1),  # Keras's first
                layers.ReLU(),  # Keras's second
            ]
        )

    def call(self, x: Any) -> Any:
        x = self.conv(x)  # Keras's call
        x = ops.max_pool(self.rest(x), 2)  # Keras's function
        return ops.relu(x + x * 0.5)  # Keras's addition


def functional() -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    one = layers.Conv2D(3, 3, padding="same", name="one")  # made once
    x = one(x)  # called first
    x = ops.relu(x)  # a function of the graph
    x = one(x)  # called again
    return keras.Model(inputs, x)


def line(comment: str) -> int:
    """The number of the line that ends in a comment."""
    (number,) = (n for n, text in enumerate(TEXT, 1) if text.endswith(f"  # {comment}"))
    return number


def steps_of(model: Any) -> dict[str, Step]:
    """A model's steps in one run, by key."""
    side = side_of(model)
    found: dict[str, Step] = {}

    def keep(step: Step) -> None:
        found[step.key] = step

    side.meet(inputs_of(X))
    side.trace(X, "float64", keep)
    return found


def layers_of(model: Any) -> dict[str, Source]:
    side = side_of(model)
    side.meet(inputs_of(X))
    return {layer.path: layer.made[0] for layer in side.layers() if layer.made}


@pytest.mark.parametrize(
    ("make", "comments"),
    [
        (Torch, ("made here", "first of a list", "second of a list")),
        (Keras, ("Keras's conv", "Keras's first", "Keras's second")),
    ],
)
def test_where_layers_are_made(make: Callable[[], Any], comments: tuple[str, ...]) -> None:
    found = layers_of(make())
    assert [(one.line, one.path) for one in found.values()] == [(line(text), str(HERE)) for text in comments]
    assert all(one.text == TEXT[one.line - 1].strip() for one in found.values())


def test_who_called_the_function_that_makes_it() -> None:
    made = side_of(Torch()).layers()[0].made
    assert [one.line for one in made[:2]] == [line("made here"), line("for this")]


@pytest.mark.parametrize(
    ("make", "comments"),
    [
        (Torch, {"conv": "the call", "rest.0": "a function", "max_pool": "a function", "relu<0": "an addition"}),
        (
            Keras,
            {
                "conv": "Keras's call",
                "rest.0": "Keras's function",
                "max_pool": "Keras's function",
                "relu<0": "Keras's addition",
            },
        ),
        (functional, {"one": "called first", "relu": "a function of the graph", "one#2": "called again"}),
    ],
)
def test_where_they_are_called(make: Callable[[], Any], comments: dict[str, str]) -> None:
    found = steps_of(make())
    assert {key: found[key].called[0].line for key in comments} == {key: line(text) for key, text in comments.items()}


def test_the_expression_itself_is_known() -> None:
    first, last, start, end = layers_of(Torch())["rest.0"].span or (0, 0, 0, 0)
    assert first == last
    assert TEXT[first - 1][start:end] == "nn.Conv2d(4, 4, 1)"


def test_a_layer_in_a_functional_model_is_where_it_is_made() -> None:
    assert layers_of(functional())["one"].line == line("made once")


TYPED = "import keras\nmodel = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])\n"


def test_what_was_typed_has_a_line_and_perhaps_no_text() -> None:
    names: dict[str, Any] = {}
    exec(compile(TYPED, "<stdin>", "exec"), names)
    (found,) = layers_of(names["model"]).values()
    assert (found.file, found.line, found.text, found.path) == ("<stdin>", 2, "", "")


def test_a_cell_is_called_as_its_notebook_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Console:
        """What IPython gives of itself."""

        compile = property(lambda self: self)

        def format_code_name(self, name: str) -> tuple[str, str] | None:
            return ("Cell", "In[3]") if name == "<cell>" else None

    monkeypatch.setitem(sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(Console)}))
    monkeypatch.setitem(linecache.cache, "<cell>", (len(TYPED), None, TYPED.splitlines(True), "<cell>"))
    names: dict[str, Any] = {}
    exec(compile(TYPED, "<cell>", "exec"), names)
    (found,) = layers_of(names["model"]).values()
    assert (found.at, found.path) == ("Cell In[3]:2", "")
    assert found.text.startswith("model = keras.Sequential")


def test_files_are_named_from_the_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.frameworks.source import shown

    monkeypatch.chdir(HERE.parents[1])
    assert shown(str(HERE)) == f"frameworks/{HERE.name}"
    monkeypatch.chdir("/")
    assert shown("<stdin>") == "<stdin>"


def test_nothing_is_kept_of_what_is_gone() -> None:
    layer = nn.Linear(2, 2)
    assert written(MADE.of(layer))[0].file.endswith(HERE.name)
    key = id(layer)
    del layer
    assert key not in MADE._kept


@pytest.mark.parametrize("first", ["parity", "torch"])
def test_whichever_is_imported_first(first: str) -> None:
    second = {"parity": "torch", "torch": "parity"}[first]
    program = (
        f"import {first}\nimport {second}\nfrom torch import nn\nlayer = nn.Linear(1, 1)\n"
        "from parity.frameworks.source import MADE, written\nprint(written(MADE.of(layer))[0].line)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"


def test_a_report_says_the_lines_of_both() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU())  # torch's
    inputs, conv = keras.Input((8, 8, 3)), layers.Conv2D(4, 3)
    copy = keras.Sequential([inputs, conv, layers.LeakyReLU(0.3)])  # the wrong slope
    report = parity.check(model, copy, X, weights="copy")
    document = report.to_json()
    source = document["cause"]["source"]
    assert (document["first"], source["keras"]["line"]) == ("1", line("the wrong slope"))
    assert source["torch"]["line"] == line("torch's")
    assert document["layers"][1]["source"] == source
    assert "source" not in document["layers"][0]
    edit = document["cause"]["edit"]
    assert "LeakyReLU(0.01)" in edit["after"]
    assert "LeakyReLU(0.3)" in edit["before"]
    assert f"+++ {edit['file']}" in document["patch"]
    torch_edit = parity.check(model, copy, X, weights="copy", mend="torch").cause.edit  # type: ignore[union-attr]
    assert torch_edit is not None
    assert "nn.LeakyReLU(negative_slope=0.3)" in torch_edit.after
    said = rf"in Keras, .*{HERE.name}:{line('the wrong slope')}[\s\S]*edit of {edit['file']}:"
    with pytest.raises(AssertionError, match=said):
        parity.assert_parity(model, copy, X)


def test_torch_is_not_kept_from_its_own_work() -> None:
    """A wrapped `__init__` is still what it was, to who looks."""
    import inspect

    assert "args" in inspect.signature(nn.Module.__init__).parameters
    assert isinstance(torch.nn.Identity(3, kept="x"), nn.Module)


class Joins(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = torch.cat([y, x], 1)
        return F.relu(torch.cat([y, x], 1))


def joins() -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 1, name="conv")(x)
    y = ops.concatenate([y, x], -1)
    y = ops.concatenate([x, y], -1)  # the other way round
    return keras.Model(x, ops.relu(y))


def test_operations_of_one_name_are_told_apart() -> None:
    report = parity.check(Joins(), joins(), X, weights="copy")
    assert report.cause is not None
    source = report.to_json()["cause"]["source"]["keras"]
    assert source["line"] == line("the other way round")
    assert report.cause.edit is not None
    assert "ops.concatenate([y, x], -1)" in report.cause.edit.after
