"""Every planted fault is caught, at the right layer, with the right cause; a model without one has none."""

import pytest

import parity
from tests.checks.families import CONFIGS, ONCE, SUITED, depths, layer_at, make

from .faults import FAULTS, Fault

SIDES = ("torch", "keras")
EVERYWHERE = [
    pytest.param(fault, family, side, depth, id=f"{fault.name}-{family}-{side}-{depth}")
    for fault in FAULTS
    for family in SUITED[fault.kind]
    for side in SIDES
    for depth in range(1 if fault.kind in ONCE else 3)
]

# Now on one side, now on the other: both, at every depth, are of the exhaustive sweep.
ONE_SIDE = [
    pytest.param(fault, side, id=f"{fault.name}-{side}", marks=() if SIDES[number % 2] == side else pytest.mark.slow)
    for number, fault in enumerate(FAULTS)
    for side in SIDES
]


def check_fault(fault: Fault, family: str, side: str, depth: int) -> None:
    torch_model, keras_model, x = make(family)
    path = depths(torch_model, fault.kind, "in/out" in fault.cause)[depth]
    fault.plant(layer_at(torch_model if side == "torch" else keras_model, path), side)
    report = parity.check(torch_model, keras_model, x)
    wanted = fault.blamed(path, side)
    assert not report.ok
    assert report.first == wanted
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == (fault.cause, wanted), report.cause


@pytest.mark.parametrize(("fault", "side"), ONE_SIDE)
def test_fault_in_the_middle_of_a_small_network(fault: Fault, side: str) -> None:
    check_fault(fault, SUITED[fault.kind][0], side, 0 if fault.kind in ONCE else 1)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "family", "side", "depth"), EVERYWHERE)
def test_every_fault_at_three_depths_of_three_variants(fault: Fault, family: str, side: str, depth: int) -> None:
    check_fault(fault, family, side, depth)


@pytest.mark.slow
def test_three_variants_have_three_places_for_every_fault() -> None:
    models = {family: make(family)[0] for family in CONFIGS}
    for kind, families in SUITED.items():
        assert len({CONFIGS[family] for family in families}) == 3, kind
        for family in families:
            assert len(depths(models[family], kind)) == (1 if kind in ONCE else 3), (kind, family)


@pytest.mark.parametrize("family", list(CONFIGS))
def test_no_fault_no_cause(family: str) -> None:
    torch_model, keras_model, x = make(family)
    report = parity.check(torch_model, keras_model, x)
    assert report.ok
    assert report.first is None
    assert report.causes == ()
