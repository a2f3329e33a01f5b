"""What is frozen stays frozen, what a model adds to its loss is in it, and a model is left as its user had it."""

import copy
import random
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import parity
from parity.checks.training.run import train
from parity.errors import ParityError
from parity.frameworks.torch.side import TorchSide
from parity.frameworks.torch.training import TorchTrainer
from parity.models.losses import Truth
from parity.models.recipe import made
from parity.models.targets import Target, named
from resnet_keras.layers import BatchNormalization

SHAPE = (4, 3, 8, 8)


class Net(nn.Module):
    def __init__(self, stay: bool = False) -> None:
        super().__init__()
        self.stay = stay
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))

    def train(self, mode: bool = True) -> "Net":
        super().train(mode)
        if self.stay:
            self.bn1.eval()
        return self


def port(frozen: tuple[str, ...] = (), **options: Any) -> keras.Model:
    """Net in Keras; options of its conv1."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for i in (1, 2):
        own = options if i == 1 else {}
        x = layers.Conv2D(4, 3, padding="same", name=f"conv{i}", **own)(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"bn{i}")(x)  # Keras's own keeps the biased variance
        x = layers.ReLU()(x)
    model = keras.Model(inputs, layers.Dense(5, name="fc")(layers.GlobalAveragePooling2D()(x)))
    for name in frozen:
        model.get_layer(name).trainable = False
    return model


def norm_in_eval() -> Net:
    model = Net()
    model.bn1.eval()
    return model


def norm_kept_in_eval() -> Net:
    return Net(stay=True).eval()  # the check calls its `train`


def report(model: nn.Module, other: keras.Model, gradients: bool = True) -> Any:
    x = np.random.default_rng(0).standard_normal(SHAPE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(torch.linspace(-0.3, 0.4, 4))
                module.running_var.copy_(torch.linspace(0.5, 1.5, 4))
    return parity.check(model, other, x, weights="copy", gradients=gradients)


def still(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        model.get_submodule(name).requires_grad_(False)
    return model


@pytest.mark.parametrize("make", [norm_in_eval, norm_kept_in_eval])
def test_a_norm_frozen_by_its_mode(make: Callable[[], Net]) -> None:
    """Keras's frozen norm takes its moving statistics and trains nothing; torch's is in eval() and has no gradient."""
    assert report(still(make(), "bn1"), port(("bn1",))).ok


def test_a_norm_that_only_has_no_gradient_is_not_frozen() -> None:
    found = report(still(Net(), "bn1"), port(("bn1",)))
    assert (found.ok, found.first, found.cause.name) == (False, "bn1", "BN train/eval mode")


@pytest.mark.parametrize("modes", [(), ("bn1",), ("bn1", "bn2", "relu")])
def test_the_users_modes_are_kept(modes: tuple[str, ...]) -> None:
    """Module by module, also by what makes the weights random."""
    model = Net()
    for name in modes:
        model.get_submodule(name).eval()
    before = {path: module.training for path, module in model.named_modules()}
    side = TorchSide(model)
    side.randomize(np.random.default_rng(0).standard_normal(SHAPE), 0)
    assert {path: module.training for path, module in model.named_modules()} == before
    shown: list[dict[str, bool]] = []

    def visit(trained: Any) -> None:
        shown.append({path: module.training for path, module in trained.runs[0].model.named_modules()})

    x = np.random.default_rng(1).standard_normal(SHAPE)
    recipe, y = made("sgd", steps=1, batch_size=4, loss="cross_entropy"), {"output": Truth(np.arange(4))}
    TorchTrainer(side, "float64").train(recipe, x, y, visit)
    assert shown == [before]


def test_a_frozen_body_under_a_trained_head() -> None:
    names = ("conv1", "bn1", "conv2", "bn2")
    model = still(Net(), *names)
    model.bn1.eval()  # type: ignore[operator, union-attr]
    model.bn2.eval()  # type: ignore[operator, union-attr]
    assert report(model, port(names)).ok
    found = report(copy.deepcopy(model), port(("bn1", "bn2")))
    assert (found.ok, found.cause.name) == (False, "missing gradient")


def test_nothing_to_train_is_one_sentence() -> None:
    side = TorchSide(Net().requires_grad_(False))
    with pytest.raises(ParityError, match="must have something to train, and requires_grad is False for all of its 10"):
        TorchTrainer(side, "float64").train(made("sgd"), np.zeros(SHAPE), {}, lambda _: None)


REGULARIZERS = {
    "L2": ("weight decay by loss", r"l2\(0\.005\) of its weight"),
    "L1": ("weight decay by loss", r"l1\(0\.003\) of its weight"),
    "L1L2": ("weight decay by loss", r"l2\(0\.005\) and l1\(0\.003\) of its weight"),
}
MADE = {"L2": (5e-3,), "L1": (3e-3,), "L1L2": (3e-3, 5e-3)}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_penalty_of_a_weight_is_part_of_the_loss(name: str) -> None:
    regularizer = getattr(keras.regularizers, name)(*MADE[name])
    found = report(Net(), port(kernel_regularizer=regularizer))
    cause, evidence = REGULARIZERS[name]
    assert (found.ok, found.first, found.cause.name) == (False, "conv1", cause)
    assert re.search(evidence, found.cause.evidence), found.cause.evidence
    assert report(Net(), port(kernel_regularizer=regularizer), gradients=False).ok  # inference has no loss


def test_a_penalty_of_a_frozen_weight_is_none() -> None:
    assert report(still(Net(), "conv1"), port(("conv1",), kernel_regularizer="l2")).ok


def test_a_penalty_of_an_output_is_part_of_the_loss() -> None:
    found = report(Net(), port(activity_regularizer=keras.regularizers.L2(0.01)))
    assert not found.ok
    assert found.cause.name == "activity penalty", found.cause


def test_a_penalty_of_a_bias_is_part_of_the_loss() -> None:
    model = Net()
    found = report(model, port(bias_regularizer=keras.regularizers.L2(0.01)))
    assert (found.ok, found.first, found.cause.name) == (False, "conv1", "weight decay by loss")
    assert "l2(0.01) of its bias" in found.cause.evidence


def rooted(y: Any) -> Any:
    return 0.01 * keras.ops.sum(keras.ops.sqrt(keras.ops.abs(y) + 1))


def stopped(y: Any) -> Any:
    return 1e-3 * keras.ops.mean(keras.ops.stop_gradient(y) ** 2)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e5])
@pytest.mark.parametrize(("added", "first"), [(rooted, "output"), (stopped, "loss")])
def test_whatever_a_model_adds_to_its_loss_is_a_difference(added: Any, first: str, mean: float) -> None:
    """Also what no regularizer is, and what has no gradient: then the loss itself is at fault, and nothing else."""
    model = Net()
    with torch.no_grad():
        model.fc.bias.fill_(mean)
    found = report(model, port(activity_regularizer=added))
    assert (found.ok, found.cause.name) == (False, "added loss")
    assert first in [row.path for row in found.layers if row.faults]
    assert report(model, port()).ok


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


def penalised_port() -> keras.Model:
    return port(kernel_regularizer=keras.regularizers.L2(5e-3))


def head_alone() -> nn.Module:
    return still(Net(), "conv1")


TRAINED = [
    ("Net", "penalised_port", "weight decay by loss", r"l2\(0\.005\) of conv1\.weight"),
    ("head_alone", "port", "frozen on one side", r"gradient of conv1\.weight is zero or absent in torch"),
]


@pytest.mark.parametrize(("ours", "theirs", "name", "evidence"), TRAINED)
def test_training_names_it(ours: str, theirs: str, name: str, evidence: str) -> None:
    home = __name__
    target = Target("both", f"{home}:{ours}", f"{home}:{theirs}", SHAPE[1:])
    found = train(target, made("sgd", steps=2, batch_size=4), "float64")
    assert found.cause is not None
    assert found.cause.name == name
    assert re.search(evidence, found.cause.evidence), found.cause.evidence


def test_a_target_is_named_as_it_can_be_typed() -> None:
    own = Target("a:f and b:g", "a:f", "b:g", (3, 8, 8))
    assert own.words == "--torch a:f --keras b:g --input-shape 3,8,8"
    assert named("resnet18").words == "resnet18 --input-shape 3,224,224"
