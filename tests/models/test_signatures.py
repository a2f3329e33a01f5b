"""The tables of arguments against the frameworks' own: what is written by position is found by them."""

import inspect
from typing import Any

import keras
import pytest
import torch
import torch.nn.functional as F

from parity.causes.edits.settings import SPELLED
from parity.models.kinds.signatures import KERAS, SAME, TORCH, signature

HOMES = {"torch": (torch.nn, F), "keras": (keras.layers, keras.ops, keras.ops.image, keras.activations)}
IN_DOCUMENTATION = {"gelu", "avg_pool2d", "max_pool2d"}  # what is built in, or dispatched, has no signature to inspect


def own(name: str, side: str) -> list[tuple[str, ...]]:
    """The names of the arguments, of everything of that name."""
    found = [getattr(home, name) for home in HOMES[side] if hasattr(home, name)]
    return [_arguments(each) for each in found]


def _arguments(made: Any) -> tuple[str, ...]:
    names = tuple(inspect.signature(made.__init__ if isinstance(made, type) else made).parameters)
    return names[1:] if isinstance(made, type) else names


@pytest.mark.parametrize(("side", "name"), [("torch", name) for name in TORCH] + [("keras", name) for name in KERAS])
def test_a_row(side: str, name: str) -> None:
    names = signature(name, side)
    assert names is not None
    if side == "torch" and name in IN_DOCUMENTATION:
        text = " ".join((getattr(F, name).__doc__ or "").split())
        said = text.partition("(")[2].partition(")")[0].replace("=", " ").split(",")
        assert [part.split()[0] for part in said][: len(names)] == list(names)
        return
    assert any(each[: len(names)] == names for each in own(name, side))


def test_other_names_are_of_the_same_classes() -> None:
    for other, name in SAME.items():
        assert getattr(keras.layers, other) is getattr(keras.layers, name)


def test_every_argument_is_one_of_some_row() -> None:
    """A setting is spelled by an argument that a class or function of the table has."""
    value: dict[str, Any] = {
        "interpolation": "linear",
        "margins": [[1, 1]],
        "transposed_padding": [[1, 0]],
        "stride": [1],
        "dilation": [1],
        "scale": [2],
    }
    for side, table in (("torch", TORCH), ("keras", KERAS)):
        known = {argument for names in table.values() for argument in names}
        for setting, spelled in SPELLED[side].items():
            told = spelled(value.get(setting, [1] if setting == "kernel_size" else 0.1)) or {}
            unknown = [argument for argument in told if not set(argument.split("|")) & known]
            assert not unknown, f"{side}'s {setting} is given by {unknown}, which no row has"
