"""The rows of causes: what they try fits every layer that they say can be got wrong so, and proves what is planted."""

from typing import Any

import numpy as np
import pytest

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.hypotheses import ROWS
from parity.causes.rerun import run
from parity.models.kinds import KINDS, Kind, named

pytestmark = pytest.mark.quick

DRAW = np.random.default_rng(0)
KERNEL = DRAW.standard_normal((6, 4, 3))
WINDOW = {"kernel_size": [3], "stride": [1], "dilation": [1], "groups": 1}


def evidence(ours: Config, theirs: Config, x: np.ndarray) -> Evidence:
    outputs = [run(config, (x,)) for config in (ours, theirs)]
    assert outputs[0] is not None
    assert outputs[1] is not None
    return Evidence("layer", outputs[0], outputs[1], (x,), (ours, theirs))


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.name)
def test_of_a_function_whose_settings_nobody_states_nothing_is_tried(kind: Kind) -> None:
    """A function that a model calls itself is a step without weights and settings."""
    x = DRAW.standard_normal((2, 4, 5, 5))
    config = Config(kind, {}, {})
    given = Evidence("function", x**2, x**2 + x**3, (x,), (config, config))
    assert [name for row in ROWS if row.fits(config) for name in row.changes(given, config)] == []
    assert diagnose(given).name == "unknown"


@pytest.mark.parametrize(
    ("ours", "theirs"), [([[2, 0]], [[0, 2]]), ([[2, 0]], [1]), ([1], [[2, 0]]), ("same", [[2, 0]])]
)
def test_causal_padding(ours: Any, theirs: Any) -> None:
    """Padding of a causal convolution is stated as (before, after)."""
    x = DRAW.standard_normal((2, 4, 9))
    sides = [Config(named("conv"), {"weight": KERNEL}, WINDOW | {"padding": padding}) for padding in (ours, theirs)]
    assert diagnose(evidence(sides[0], sides[1], x)).name == "asymmetric padding"


def test_padding_that_no_side_states() -> None:
    """Keras's layer says what torch's says, and pads otherwise."""
    x = DRAW.standard_normal((2, 4, 9))
    declared = Config(named("conv"), {"weight": KERNEL}, WINDOW | {"padding": [[2, 0]]})
    really = Config(named("conv"), {"weight": KERNEL}, WINDOW | {"padding": [[0, 2]]})
    made = evidence(declared, really, x)
    assert diagnose(Evidence("conv", made.torch, made.keras, (x,), (declared, declared))).name == "asymmetric padding"


@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.activation and kind.formula])
def test_an_activation_on_one_side_alone(name: str) -> None:
    x = DRAW.standard_normal((2, 4, 5, 5))
    passed = named("identity")
    applied = run(Config(named(name), {}, {"slope": 0.1}), (x,))
    assert applied is not None
    config = Config(passed, {}, {})
    found = diagnose(Evidence("act", applied, x, (x,), (config, config)))
    assert found.name == named(name).alone
