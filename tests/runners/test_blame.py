"""Whose an exception is: the model's only where the model fails by itself, else the check's own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
from parity.errors import InternalError, ModelError, ParityError
from parity.frameworks.keras.tracer import KerasTrace
from parity.frameworks.torch.tracer import TorchTrace
from parity.runners.blame import HOME, raised_by_user

X = np.random.default_rng(0).standard_normal((2, 4))


class Torch(nn.Module):
    """A layer, and then whatever a test wants."""

    def __init__(self, then: Callable[[Any], Any]) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.then = then

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self.fc(x))


class Keras(keras.Model):
    """The same in Keras."""

    def __init__(self, then: Callable[[Any], Any]) -> None:
        super().__init__()
        self.fc = keras.layers.Dense(3)
        self.fc.build((None, 4))
        self.then = then

    def call(self, x: Any) -> Any:
        return self.then(self.fc(x))


def plain(x: Any) -> Any:
    return x


def failing(x: Any) -> Any:
    raise RuntimeError("no such thing")


def narrow(x: Any) -> Any:
    if "float64" in str(x.dtype):
        raise RuntimeError("no float64 here")
    return x


def planted(*args: Any, **kwargs: Any) -> Any:
    raise KeyError("padding")


def check(ours: Callable[[Any], Any], theirs: Callable[[Any], Any], **options: Any) -> Any:
    return parity.check(Torch(ours), Keras(theirs), X, weights="copy", **options)


@pytest.mark.parametrize(
    ("sides", "name"), [((failing, plain), "torch model Torch"), ((plain, failing), "keras model K")]
)
def test_a_model_that_fails_by_itself_does_not_run(sides: tuple[Any, Any], name: str) -> None:
    with pytest.raises(
        ModelError, match=rf"the {name}.* must run, and raised RuntimeError: no such thing on an "
    ) as found:
        check(*sides)
    assert "also by itself" in str(found.value)
    assert "RuntimeError: no such thing" in found.value.details
    assert isinstance(found.value.__cause__, RuntimeError)


@pytest.mark.parametrize("sides", [(narrow, plain), (plain, narrow)])
def test_a_model_that_runs_and_not_in_float64(sides: tuple[Any, Any]) -> None:
    with pytest.raises(ModelError, match=r"must run in float64 too, .* raised RuntimeError: no float64 here"):
        check(*sides)


@pytest.mark.parametrize("trace", [TorchTrace, KerasTrace])
def test_a_tracer_that_fails_is_not_the_models_fault(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_step", planted)
    with pytest.raises(
        InternalError, match=r"^the check itself failed on the .*, which runs by itself, .*'padding'"
    ) as found:
        check(plain, plain)
    assert isinstance(found.value.__cause__, KeyError)
    monkeypatch.undo()
    assert check(plain, plain).ok  # nothing is left behind


def test_a_model_that_fails_in_training_alone() -> None:
    model = Torch(plain)

    def then(x: torch.Tensor) -> torch.Tensor:
        if model.training or torch.is_grad_enabled():
            raise RuntimeError("not in training")
        return x

    model.then = then
    with pytest.raises(ModelError, match=r"must train, and raised RuntimeError: not in training"):
        parity.check(model, Keras(plain), X, weights="copy", gradients=True)


def test_a_backward_pass_that_fails_is_told_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.frameworks.torch.gradients import TorchGradients

    monkeypatch.setattr(TorchGradients, "teach", planted)
    with pytest.raises(InternalError, match="which runs by itself in training mode"):
        check(plain, plain, gradients=True)


def test_who_raised_while_a_model_trained_by_itself() -> None:
    """Code of the user's own, at the end of the call; not what this package or a framework does with it."""

    def raised(run: Callable[[], Any]) -> bool:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - that is what is asked about
            return raised_by_user(error)
        raise AssertionError

    assert raised(lambda: Torch(failing)(torch.ones(1, 4)))
    inside = compile("nn.functional.cross_entropy(torch.ones(2), 3)", str(HOME / "runners" / "engine.py"), "eval")
    assert not raised(lambda: eval(inside, {"nn": nn, "torch": torch}))


def test_running_by_itself_changes_nothing() -> None:
    from parity.frameworks.build import side_of

    torch_model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    keras_model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    for model in (torch_model, keras_model):
        side = side_of(model)
        before = {name: array.copy() for name, array in side.weights()}
        for dtype, training in (("", False), ("", True), ("float64", True), ("float16", False)):
            side.run(X, dtype, training)
        after = dict(side.weights())
        assert all(
            np.array_equal(array, after[name]) and array.dtype == after[name].dtype for name, array in before.items()
        )
    assert torch_model.training


IMAGE = np.random.default_rng(1).standard_normal((2, 3, 6, 5)).astype("float32")


@pytest.mark.parametrize(
    ("x", "step"),
    [
        (IMAGE.transpose(0, 2, 3, 1), r"it runs on the same with its channels on axis 1; pass np.moveaxis\(x, -1, 1\)"),
        (IMAGE[0, 0], r"it runs on the same with a batch axis in front; pass x\[None\]"),
        ((IMAGE * 9).astype("uint8"), r"it runs on the same of float32; pass x.astype\('float32'\)"),
        (np.zeros((2, 4, 6, 5), "float32"), "run it alone first"),
        (np.zeros((0, 3, 6, 5), "float32"), r"must hold numbers, and is empty \(0 x 3 x 6 x 5\); give at least one"),
    ],
)
def test_what_was_meant_is_told(x: Any, step: str) -> None:
    """Only what the model was seen to run on."""
    single = x.ndim == 2
    ours = torch.nn.Conv1d(6, 4, 3) if single else torch.nn.Conv2d(3, 4, 3)
    ours = torch.nn.Sequential(ours, torch.nn.BatchNorm1d(4)) if single else ours
    theirs = keras.Sequential([keras.Input((5, 6) if single else (6, 5, 3)), keras.layers.Flatten()])
    with pytest.raises(ParityError, match=f"; {step}$" if "empty" not in step else step):
        parity.check(ours, theirs, x)


def test_a_model_on_the_meta_device_is_one_sentence() -> None:
    with torch.device("meta"):
        ours = torch.nn.Linear(3, 4)
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(ParityError, match=r"must hold numbers, and the meta device, which has none, is where weight"):
        parity.check(ours, theirs, np.zeros((2, 3), "float32"))
