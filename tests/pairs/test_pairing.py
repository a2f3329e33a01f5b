"""Who is compared with whom: names, order, maps, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

import parity
from parity.checks.report import Report
from parity.errors import ParityError, UnmatchedError
from parity.frameworks.build import side_of
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo
from parity.pairs.name_map import NameMap
from parity.pairs.pairing import Pairing, pair
from parity.reports.terminal.check import text
from parity.runners.local import LocalRunner
from parity.runners.recorder import Recorder
from parity.runners.recording import Shelf
from tests.checks import own_models as own
from tests.checks.pairs import randomized
from tests.checks.test_own_models import IMAGE, checked


def steps(*entries: tuple[str, str, tuple[str, ...]]) -> list[StepInfo]:
    return [StepInfo(key, key, kind, (2, 4), sources) for key, kind, sources in entries]


def convs(*paths: str, width: int = 4) -> list[LayerInfo]:
    return [LayerInfo(path, "conv", {"weight": (width, width, 3, 3)}, {}) for path in paths]


def chain(*paths: str) -> list[StepInfo]:
    before = ("input", *paths)
    return steps(*((path, "conv", (before[i],)) for i, path in enumerate(paths)))


def paired(torch_model: nn.Module, keras_model: object, rules: dict[str, str] | None = None) -> Pairing:
    sides = side_of(torch_model), side_of(keras_model)
    seen = [Recorder(side, Shelf()).prepare(IMAGE, "float64") for side in sides]
    name_map = None if rules is None else NameMap(rules)
    return pair(sides[0].layers(), seen[0], sides[1].layers(), seen[1], name_map)


def compared(torch_model: nn.Module, keras_model: object, rules: dict[str, str]) -> Report:
    from parity.checks.forward import compare_sides
    from parity.checks.options import Options

    shelf = Shelf()
    sides = LocalRunner(side_of(randomized(torch_model)), shelf), LocalRunner(side_of(keras_model), shelf)
    options = Options(name_map=NameMap(rules))
    return compare_sides("own", IMAGE, *sides, options, lambda text, done, total: None)


def test_equal_names_need_nothing() -> None:
    layers, seen = convs("a", "b"), chain("a", "b")
    assert not pair(layers, seen, layers, seen).changes


def test_order_pairs_other_names() -> None:
    pairing = pair(convs("a", "b"), chain("a", "b"), convs("x", "y"), chain("x", "y"))
    assert pairing.layers == {"x": "a", "y": "b"}
    assert pairing.keras.aliases == {"x": "a", "y": "b"}


def test_exchanged_names_follow_the_names_and_no_order() -> None:
    """Names agree: they decide, and the comparison shows that the models differ."""
    pairing = pair(convs("a", "b"), chain("a", "b"), convs("a", "b"), chain("b", "a"))
    assert pairing.layers == {}


def test_names_anchor_their_neighbours() -> None:
    pairing = pair(convs("a", "b", "c"), chain("a", "b", "c"), convs("x", "b", "y"), chain("x", "b", "y"))
    assert pairing.layers == {"x": "a", "y": "c"}


def test_a_name_in_another_place_does_not_bind() -> None:
    pairing = pair(convs("a", "b", "c"), chain("a", "b", "c"), convs("x", "y", "a"), chain("x", "y", "a"))
    assert pairing.layers == {"x": "a", "y": "b", "a": "c"}


def test_one_layer_less_is_refused_with_candidates() -> None:
    with pytest.raises(UnmatchedError, match=r"only torch has .*conv, weight .*like it") as caught:
        pair(convs("a", "b", "c"), chain("a", "b", "c"), convs("x", "y"), chain("x", "y"))
    assert len(caught.value.torch) == 1
    assert caught.value.keras == []


def test_other_shapes_are_refused_on_both_sides() -> None:
    with pytest.raises(UnmatchedError, match=r"only torch has b .*; only keras has y .*--map") as caught:
        pair(convs("a") + convs("b", width=8), chain("a", "b"), convs("x", "y"), chain("x", "y"))
    assert (caught.value.torch, caught.value.keras) == (["b"], ["y"])


def test_a_layer_that_does_not_run_needs_a_partner_too() -> None:
    ours, theirs = (convs("a"), chain("a")), (convs("x") + convs("spare", width=2), chain("x"))
    with pytest.raises(UnmatchedError, match=r"only keras has spare "):
        pair(*ours, *theirs)


def test_other_layers_are_refused_before_anything_runs() -> None:
    torch_model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with pytest.raises(UnmatchedError, match=r"only torch has 0 \(dense, weight \(3, 4\).*; only keras has ") as caught:
        parity.check(torch_model, own.keras_plain(), np.zeros((1, 4)))
    assert caught.value.torch == ["0", "1"]
    assert len(caught.value.keras) == 4


def test_a_layer_called_twice_keeps_one_partner() -> None:
    twice = steps(("a", "conv", ("input",)), ("a#2", "conv", ("a",)))
    pairing = pair(convs("a"), twice, convs("x"), steps(("x", "conv", ("input",)), ("x#2", "conv", ("x",))))
    assert pairing.keras.aliases == {"x": "a", "x#2": "a#2"}
    with pytest.raises(UnmatchedError):
        pair(convs("a"), twice, convs("x", "y"), chain("x", "y"))


def test_branches_in_another_order_of_execution() -> None:
    """The functional Keras model runs its shortcut first; the flow of tensors tells which is which."""
    pairing = paired(own.TorchModules(), own.keras_functional())
    assert pairing.layers | {"projection": "shortcut", "a": "conv1", "b": "conv2", "head": "fc"} == pairing.layers


def test_branches_that_could_be_exchanged_are_refused() -> None:
    with pytest.raises(UnmatchedError, match=r"could be exchanged: torch's left .*right .*one .*two .*--map") as caught:
        paired(own.TorchTwins(), own.keras_twins())
    assert set(caught.value.torch) == {"left", "right"}
    assert set(caught.value.keras) == {"one", "two"}


def test_names_or_a_map_decide_between_twins() -> None:
    assert checked(own.TorchTwins(), own.keras_twins(names=("left", "right"))).ok
    for rules in ({"left": "one", "right": "two"}, {"left": "two", "right": "one"}):
        pairing = paired(own.TorchTwins(), own.keras_twins(), rules)
        assert {key: pairing.layers[key] for key in rules.values()} == {k: t for t, k in rules.items()}
        assert compared(own.TorchTwins(), own.keras_twins(), rules).ok, "a sum may be exchanged"


def test_a_concatenation_tells_its_branches_apart() -> None:
    report = checked(own.TorchTwins(True), own.keras_twins(True))
    assert report.ok, text(report)
    rules = {"left": "two", "right": "one"}
    assert not compared(own.TorchTwins(True), own.keras_twins(True), rules).ok, "exchanged by force, it must differ"


def test_the_report_says_who_decided() -> None:
    report = compared(own.TorchTwins(), own.keras_twins(), {"left": "one", "right": "two"})
    assert {("left", "map"), ("last", "order")} <= {(pair.torch, pair.by) for pair in report.pairs}
    assert "--map" in text(report)


def test_stars_stand_for_the_same() -> None:
    names = NameMap({"layer*.conv": "stage*_conv"})
    assert names.pairs(["layer1.conv", "layer2.conv"], ["stage2_conv", "stage1_conv"]) == {
        "layer1.conv": "stage1_conv",
        "layer2.conv": "stage2_conv",
    }


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"lefft": "one"}, "fits no step on both sides"),
        ({"left": "one", "le*": "on*"}, "fits no step|paired twice"),
        ({"left": "one", "right": "one"}, "one is paired twice"),
    ],
)
def test_a_map_that_cannot_be_used(rules: dict[str, str], says: str) -> None:
    with pytest.raises(ParityError, match=says):
        paired(own.TorchTwins(), own.keras_twins(), rules)


@pytest.mark.parametrize("content", ["[1, 2]", "a: [b]", "", "a: {b: c}", "a: b: c", "\x00"])
def test_a_map_file_of_another_form(tmp_path: Path, content: str) -> None:
    (tmp_path / "map.yaml").write_text(content)
    with pytest.raises(ParityError, match=r"--map .*map\.yaml must .*; correct it"):
        NameMap.read(tmp_path / "map.yaml")


def test_no_map_file(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="No such file"):
        NameMap.read(tmp_path / "none.yaml")


def test_a_map_file(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("left: one\n'0': 1\n")
    assert NameMap.read(tmp_path / "map.yaml").rules == {"left": "one", "0": "1"}


def test_copy_weights_needs_an_input_where_names_differ() -> None:
    with pytest.raises(UnmatchedError, match="same path and kind"):
        parity.copy_weights(own.TorchModules(), own.keras_functional())
    torch_model, keras_model, again = randomized(own.TorchModules()), own.keras_functional(), own.TorchModules()
    parity.copy_weights(torch_model, keras_model, IMAGE)
    parity.copy_weights(keras_model, again, IMAGE)
    pairs = zip(torch_model.state_dict().items(), again.state_dict().values(), strict=True)
    assert all(np.array_equal(a, b) for (name, a), b in pairs if "num_batches" not in name)


def test_a_layer_that_one_side_alone_has_is_part_of_what_it_changes_nothing_in() -> None:
    """An idempotent extra ReLU: the numbers are equal, and the report says what was compared as one."""
    import keras

    torch_model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    made = [keras.layers.Dense(3), keras.layers.ReLU(), keras.layers.ReLU()]
    x = np.random.default_rng(0).standard_normal((8, 4))
    report = checked(torch_model, keras.Sequential([keras.Input((4,)), *made]), x)
    assert report.ok, text(report)
    assert "compared as one with" in text(report)


def test_layers_that_compute_nothing_need_no_partner() -> None:
    import keras

    torch_model = nn.Sequential(nn.Linear(4, 3), nn.Identity(), nn.Dropout(), nn.ReLU())
    made = [keras.layers.Dense(3), keras.layers.Rescaling(1), keras.layers.Activation("linear"), keras.layers.ReLU()]
    report = checked(torch_model, keras.Sequential([keras.Input((4,)), *made]), np.ones((2, 4)))
    assert report.ok, text(report)
