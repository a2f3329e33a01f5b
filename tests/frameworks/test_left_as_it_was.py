"""A check leaves a model, and all that draws random numbers, as its user had it, after an error too."""

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import parity
from parity.errors import ParityError
from parity.frameworks.torch.side import TorchSide

from .fine_tuning import SHAPE, Net, port


def snapshot(model: nn.Module) -> dict[str, Any]:
    """All that a user can see of a model, and of the random states: by identity where a value would hide a copy."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            key = f"{path}.{name}"
            if isinstance(value, dict):
                found[key] = {inner: id(each) for inner, each in value.items()}
            else:
                found[key] = value if isinstance(value, bool | int | str | None) else id(value)
    found["tensors"] = {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()}
    found["gradients"] = [parameter.grad for parameter in model.parameters()]
    found["random"] = torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()  # noqa: NPY002
    return found


def plain() -> nn.Module:
    return Net()


def patched() -> nn.Module:
    model = Net()
    own = model.conv1.forward
    model.conv1.forward = lambda x: own(x)  # type: ignore[method-assign]
    model.register_forward_hook(lambda *_: None)
    return model


def compiled() -> nn.Module:
    wrapped: nn.Module = torch.compile(Net(), backend="eager")  # type: ignore[assignment]
    return wrapped


def compiled_in_place() -> nn.Module:
    model = Net()
    model.compile(backend="eager")
    model.conv2.compile(backend="eager")
    return model


def compiled_inside() -> nn.Module:
    model = Net()
    model.conv2 = torch.compile(model.conv2, backend="eager")  # type: ignore[assignment]
    return model


def parallel() -> nn.Module:
    return nn.DataParallel(Net())


@pytest.mark.parametrize("make", [plain, patched, compiled, compiled_in_place, compiled_inside, parallel])
def test_a_model_is_left_as_it_was(make: Callable[[], nn.Module]) -> None:
    model, other = make(), port()
    parity.copy_weights(TorchSide(model).model, other, np.zeros(SHAPE))
    before, own = snapshot(model), {id(layer): dict(vars(layer)) for layer in other.layers}
    x = np.random.default_rng(0).standard_normal(SHAPE)
    found = parity.check(model, other, x, gradients=make is not patched)
    assert found.ok, found.cause
    assert snapshot(model) == before
    for layer in other.layers:
        assert vars(layer).keys() == own[id(layer)].keys()
        assert "call" not in vars(layer)
    wrapped = make in (compiled, compiled_in_place, compiled_inside, parallel)
    assert any("is compared as it is inside" in note for note in found.to_json()["notes"]) == wrapped


def drawn(model: keras.Model) -> dict[str, Any]:
    """The states of all that draws numbers for a Keras model: its layers' generators, Keras's and TensorFlow's own."""
    generators = [layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")]
    generators.append(keras.src.backend.common.global_state.get_global_attribute("global_seed_generator"))
    states = [keras.ops.convert_to_numpy(generator.state).tolist() for generator in generators]
    return {"keras": states, "tensorflow": tf.random.get_global_generator().state.numpy().tolist()}


def test_what_draws_numbers_is_left_as_it_was() -> None:
    """A dropout is called in training by --gradients; the next number that its user draws is not another one for it."""
    model, x = nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 3)), np.ones((4, 6))
    dense, dropout = keras.layers.Dense, keras.layers.Dropout
    other = keras.Sequential([keras.Input((6,)), dense(5), dropout(0.5), dense(3)])
    keras.random.normal((2,))  # makes Keras's own generator
    other(x, training=True)
    before, torchs = drawn(other), torch.get_rng_state().tolist()
    assert parity.check(model, other, x, weights="copy", gradients=True).ok
    assert (drawn(other), torch.get_rng_state().tolist()) == (before, torchs)
    other(x, training=True)
    assert drawn(other) != before


def test_a_closure_on_a_module_cannot_be_copied() -> None:
    with pytest.raises(ParityError, match="conv1 must be copied to be trained"):
        parity.check(patched(), port(), np.zeros(SHAPE), weights="copy", gradients=True)


def test_a_model_is_left_as_it_was_after_an_error() -> None:
    """A run that breaks off in the middle takes everything off again, on both sides."""
    model, other = compiled_in_place(), port()
    with pytest.raises(ParityError, match="stop here"):
        _breaking(model, other)


def _breaking(model: nn.Module, other: keras.Model) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("stop here")

    other.get_layer("bn2").__dict__["call"] = broken  # as a user may have set it
    before = snapshot(model)
    try:
        parity.check(model, other, np.random.default_rng(0).standard_normal(SHAPE))
    finally:
        assert snapshot(model) == before
        assert vars(other.get_layer("bn2"))["call"] is broken
        assert "call" not in vars(other.get_layer("conv1"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: torch.jit.trace(Net().eval(), torch.zeros(SHAPE)), "TorchScript"),
        (lambda: torch.export.export(Net().eval(), (torch.zeros(SHAPE),)).module(), "exported graph of operations"),
    ],
    ids=["traced", "exported"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_without_layers_is_one_sentence(make: Callable[[], nn.Module], told: str) -> None:
    with pytest.raises(ParityError, match=told) as error:
        parity.check(make(), port(), np.zeros(SHAPE))
    assert str(error.value).count(";") == 1
