"""Refusals are one sentence of at most 600 characters: the kind of reason, the nearest candidates, one next step."""

import pytest

from parity.errors import MOST, UnmatchedError
from parity.models.layers import LayerInfo, check_shapes
from parity.models.steps import StepInfo
from parity.pairs.matching import NAMES, match_steps, raise_on_unknown, raise_on_unmatched
from parity.pairs.pairing import pair

pytestmark = pytest.mark.quick
MANY = 300


def convs(*names: str, width: int = 4) -> list[LayerInfo]:
    return [LayerInfo(name, "conv", {"weight": (width, 4, 3, 3)}, {}) for name in names]


def chain(*names: str) -> list[StepInfo]:
    before = ("input", *names)
    return [StepInfo(name, name, "conv", (1, 4, 8, 8), (source,)) for name, source in zip(names, before, strict=False)]


def many(name: str) -> list[str]:
    return [f"{name}.stage.block{number}.conv" for number in range(MANY)]


def refused(caught: "pytest.ExceptionInfo[UnmatchedError]") -> str:
    text = str(caught.value)
    assert len(text) <= MOST
    assert "\n" not in text
    assert "compare the two definitions" not in text
    return text


def test_300_layers_without_a_partner() -> None:
    ours, theirs = many("torch"), many("keras")
    with pytest.raises(
        UnmatchedError, match=r"^weights without a certain partner: .* and \d+ more; only keras"
    ) as caught:
        pair(convs(*ours), chain(*ours), convs(*theirs, width=8), chain(*theirs))
    text = refused(caught)
    assert caught.value.torch == ours
    assert caught.value.keras == theirs
    assert "nearest to torch.stage.block0.conv is keras.stage.block0.conv (conv, weight (8, 4, 3, 3))" in text
    assert text.endswith("give partners the same weight shapes, or, where they have them, pair them with --map")


def test_branches_that_could_be_exchanged() -> None:
    names = [f"{'branch' * 20}{number}" for number in range(MANY)]
    steps = [StepInfo(name, name, "conv", (1, 4, 8, 8), ("input",)) for name in names]
    out = StepInfo("out<0", "add", "add", (1, 4, 8, 8), origins=tuple(names))
    last = StepInfo("out", "out", "conv", (1, 4, 8, 8), ("out<0",))
    other = [f"b{name}" for name in names]
    theirs = [StepInfo(name, name, "conv", (1, 4, 8, 8), ("input",)) for name in other]
    with pytest.raises(UnmatchedError) as caught:
        pair(
            convs(*names, "out"),
            [*steps, out, last],
            convs(*other, "out"),
            [*theirs, StepInfo("out<0", "add", "add", (1, 4, 8, 8), origins=tuple(other)), last],
        )
    refused(caught)
    assert len(caught.value.torch) > 1


def test_names_without_a_run_ask_for_an_input() -> None:
    with pytest.raises(UnmatchedError) as caught:
        raise_on_unmatched(convs(*many("torch")), convs(*many("keras")), NAMES)
    text = refused(caught)
    assert "; pass an input x, so that" in text
    assert "nearest to torch.stage.block0.conv is keras.stage.block0.conv" in text
    assert len(caught.value.torch) == len(caught.value.keras) == MANY


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("fc.weight_g", "remove_weight_norm first"),
        ("fc.parametrizations.weight.original0", "remove_parametrizations first"),
        ("fc.weight_orig", "remove_spectral_norm first"),
        ("positions", "persistent=False"),
    ],
)
def test_unknown_weights_say_what_to_do(name: str, step: str) -> None:
    every = [f"layer{number}.{name}" for number in range(MANY)]
    with pytest.raises(UnmatchedError, match=step) as caught:
        raise_on_unknown([every, []], NAMES)
    assert refused(caught).startswith("weights of an unknown kind: ")
    assert caught.value.torch == every


def test_steps_without_a_partner() -> None:
    ours, theirs = chain("a", "b"), chain("a", "b", *many("c"))
    with pytest.raises(UnmatchedError, match=r"only keras has .* and \d+ more; .*--map$") as caught:
        match_steps(ours, theirs).raise_on_loose()
    refused(caught)
    assert caught.value.keras == many("c")


def test_tensors_that_one_side_lacks_or_has_in_another_shape() -> None:
    biases = {f"{name}.bias": (4,) for name in many("x")}
    with pytest.raises(UnmatchedError, match=r"only keras has .* and \d+ more; .*use_bias=True") as caught:
        check_shapes({}, biases, NAMES)
    refused(caught)
    assert caught.value.keras == sorted(biases)
    with pytest.raises(UnmatchedError, match=r"have x\.stage.*\(4,\) and \(5,\).* and \d+ more; ") as caught:
        check_shapes(biases, dict.fromkeys(biases, (5,)), NAMES)
    refused(caught)
    assert len(caught.value.torch) == MANY
