"""Every naming table is a bijection over every variant's names, and every variant is recognised under every one."""

import numpy as np
import pytest
import torch

import resnet_torch
from parity.checkpoints.naming import functional_order, identify, to_canonical, to_stored
from parity.checkpoints.recognize import Architecture, candidates
from parity.checkpoints.schemes import COUNTER, LEAVES, SCHEMES, STYLES, Scheme
from parity.models.targets import variants

from .helpers import all_shapes

SHAPES = all_shapes()
TABLES = [
    pytest.param(scheme, style, id=f"{scheme.name}-{style}") for scheme in SCHEMES for style in STYLES[scheme.layout]
]


@pytest.mark.parametrize("name", SHAPES)
def test_expected_shapes_are_torchs(name: str) -> None:
    with torch.device("meta"):
        state = getattr(resnet_torch, name)().state_dict()
    expected = {key: tuple(tensor.shape) for key, tensor in state.items() if not key.endswith(COUNTER)}
    assert SHAPES[name] == expected
    assert list(SHAPES[name]) == list(expected)


@pytest.mark.parametrize(("scheme", "style"), TABLES)
def test_tables_are_bijections(scheme: Scheme, style: str) -> None:
    for name, shapes in SHAPES.items():
        stored = {}
        for canonical, shape in shapes.items():
            place = to_stored(scheme, style, canonical)
            assert place is not None, f"{scheme.name} has no word for {canonical} of {name}"
            back = to_canonical(scheme, style, place.name)
            assert back == (canonical, place.axes)
            assert place.axes is None or sorted(place.axes) == list(range(len(shape)))
            stored[place.name] = canonical
        assert len(stored) == len(shapes)


@pytest.mark.parametrize(("scheme", "style"), TABLES)
def test_rows_of_a_table_do_not_overlap(scheme: Scheme, style: str) -> None:
    """No stored name fits two rows: the order of the rows decides nothing."""
    backwards = Scheme(scheme.name, scheme.layout, scheme.rows[::-1])
    for canonical in SHAPES["resnet152"] | SHAPES["resnet50_keras"]:
        place = to_stored(scheme, style, canonical)
        assert place == to_stored(backwards, style, canonical)
        assert place is not None
        assert to_canonical(scheme, style, place.name) == to_canonical(backwards, style, place.name)


@pytest.mark.parametrize(("scheme", "style"), TABLES)
@pytest.mark.parametrize("prefix", ["", "module", "model/backbone"])
def test_identified_with_any_prefix(scheme: Scheme, style: str, prefix: str) -> None:
    mark = "." if scheme.layout == "torch" else "/"
    prefix = prefix.replace("/", mark) + (mark if prefix else "")
    for name in ("resnet18", "resnet50", "cifar_resnet20", "resnet50_keras"):
        names = {canonical: prefix + to_stored(scheme, style, canonical).name for canonical in SHAPES[name]}
        found = identify(names.values(), scheme.layout)
        assert not found.unexpected
        assert {canonical: place.name for canonical, place in found.found.items()} == names


@pytest.mark.parametrize(
    "stored",
    ["layer0.0.conv1.weight", "layer1.0.conv0.weight", "layer01.0.conv1.weight", "layer1.0.conv1.kernel", "fc", ""],
)
def test_names_that_no_row_has(stored: str) -> None:
    assert to_canonical(SCHEMES[0], "torch", stored) is None


def test_leaves_are_the_kinds() -> None:
    """The leaf names and axes, derived from the table of kinds, are what files of these networks hold."""
    assert LEAVES["names"] == {
        "Conv2d": (("weight", "/kernel", (2, 3, 1, 0)), ("bias", "/bias", None)),
        "BatchNorm2d": (
            ("weight", "/gamma", None),
            ("bias", "/beta", None),
            ("running_mean", "/moving_mean", None),
            ("running_var", "/moving_variance", None),
        ),
        "Linear": (("weight", "/kernel", (1, 0)), ("bias", "/bias", None)),
    }


@pytest.mark.parametrize("name", SHAPES)
def test_variants_are_recognised(name: str) -> None:
    found = [each.name for each in candidates(SHAPES[name])]
    assert name in found
    assert all(SHAPES[other] == SHAPES[name] for other in found)


def test_which_variants_share_all_tensors() -> None:
    """v1 and v1.5; option A and plain: parameter-free shortcuts leave no trace. Nothing else is ambiguous."""
    pairs = {frozenset(each.name for each in candidates(shapes)) for shapes in SHAPES.values()}
    expected = {frozenset({f"resnet{depth}", f"resnet{depth}_v1"}) for depth in (50, 101, 152)}
    expected |= {frozenset({f"cifar_resnet{depth}", f"cifar_plain{depth}"}) for depth in (20, 32, 44, 56, 110)}
    assert {pair for pair in pairs if len(pair) > 1} == expected


@pytest.mark.parametrize("name", ["resnet18", "resnet50_keras", "cifar_resnet20", "resnet18_d2l"])
@pytest.mark.parametrize("options", [{"num_classes": 0}, {"num_classes": 7}, {"in_channels": 5}])
def test_changed_heads_and_inputs_are_recognised(name: str, options: dict[str, int]) -> None:
    shapes = Architecture(name, options).shapes
    assert candidates(shapes)[0] == Architecture(name, options)


@pytest.mark.parametrize("option", ["B", "C"])
def test_other_shortcuts_are_recognised(option: str) -> None:
    wanted = Architecture("cifar_resnet20", {"shortcut": option})
    assert candidates(wanted.shapes) == [wanted]


def test_functional_order() -> None:
    layers = dict.fromkeys(name.rpartition(".")[0] for name in SHAPES["resnet50"])
    ordered = functional_order(layers)
    assert sorted(ordered) == sorted(layers)
    first = ordered.index("layer1.0.conv3")
    assert ordered[first - 1 : first + 3] == [
        "layer1.0.downsample.0",
        "layer1.0.conv3",
        "layer1.0.downsample.1",
        "layer1.0.bn3",
    ]


def test_impossible_shapes_fit_nothing() -> None:
    shapes = dict(SHAPES["resnet18"])
    for shape in [(), (0,), (0, 512), (10**9, 512), (1000, 511), (1000, 512, 1)]:
        for each in candidates(shapes | {"fc.weight": shape}):
            assert each.shapes == shapes | {"fc.weight": shape}
    assert not candidates({})
    assert not candidates({"fc.weight": (10, 64)})
    assert np.all([row.num_classes > 0 for row in variants().values()])
