"""What is frozen stays frozen, what a model adds to its loss is in it, and a model is left as its user had it."""

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parity.checks.training.run import train
from parity.errors import ParityError
from parity.frameworks.torch.side import TorchSide
from parity.frameworks.torch.training import TorchTrainer
from parity.models.losses import Truth
from parity.models.recipe import made
from parity.models.targets import Target, named

from .fine_tuning import SHAPE, Net, port, report, still


def norm_in_eval() -> Net:
    model = Net()
    model.bn1.eval()
    return model


def norm_kept_in_eval() -> Net:
    return Net(stay=True).eval()  # the check calls its `train`


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


TRAINED = [
    ("Net", "penalised_port", "weight decay by loss", r"l2\(0\.005\) of conv1\.weight"),
    ("head_alone", "port", "frozen on one side", r"gradient of conv1\.weight is zero or absent in torch"),
]


@pytest.mark.parametrize(("ours", "theirs", "name", "evidence"), TRAINED)
def test_training_names_it(ours: str, theirs: str, name: str, evidence: str) -> None:
    home = "tests.frameworks.fine_tuning"
    target = Target("both", f"{home}:{ours}", f"{home}:{theirs}", SHAPE[1:])
    found = train(target, made("sgd", steps=2, batch_size=4), "float64")
    assert found.cause is not None
    assert found.cause.name == name
    assert re.search(evidence, found.cause.evidence), found.cause.evidence


def test_a_target_is_named_as_it_can_be_typed() -> None:
    own = Target("a:f and b:g", "a:f", "b:g", (3, 8, 8))
    assert own.words == "--torch a:f --keras b:g --input-shape 3,8,8"
    assert named("resnet18").words == "resnet18 --input-shape 3,224,224"
