"""Where the verdict's bounds come from: random networks, a few here, a thousand in benchmarks/false_alarms.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import false_alarms
from parity.verdict.difference import ARITHMETIC_FACTOR, STRUCTURE_LINE

RESULT = Path(false_alarms.__file__).parent / "results" / "false_alarms.json"


@pytest.fixture(scope="module")
def networks() -> Any:
    return json.loads(RESULT.read_text())


def test_no_network_gave_a_false_alarm(networks: Any) -> None:
    assert networks["networks"] >= 1000
    assert networks["false_alarms"] == []


def test_the_structure_line_lies_between_rounding_and_the_smallest_fault(networks: Any) -> None:
    """Ten thousand times above what equal layers add; a hundredth of what an epsilon of 1.001e-5 shows."""
    assert networks["structure_added"]["line"] == STRUCTURE_LINE
    assert networks["structure_added"]["greatest"] * 1e4 <= STRUCTURE_LINE <= 1e-8 / 100


def test_the_factor_lies_between_two_sides_rounding_and_tf32(networks: Any) -> None:
    """Several times above the greatest ratio between honest sides, and far below TF32's 2^13 between roundings."""
    assert networks["rounding_ratio"]["factor"] == ARITHMETIC_FACTOR
    assert networks["rounding_ratio"]["greatest"] * 4 <= ARITHMETIC_FACTOR <= 2**13 / 100


@pytest.mark.parametrize("seed", range(2000, 2006))
def test_another_network(seed: int) -> None:
    """Seeds that the networks do not have."""
    report, config = false_alarms.check_network(seed)
    assert report.ok, (config, report.first)
    assert max(layer.added.error for layer in report.layers) * 1e4 <= STRUCTURE_LINE
    ratios = [ratio for layer in report.layers if (ratio := false_alarms.rounding_ratio(layer)) is not None]
    assert np.max(ratios, initial=0) * 4 <= ARITHMETIC_FACTOR


def test_configurations_differ() -> None:
    configs = [false_alarms.random_config(np.random.default_rng(seed)) for seed in range(1000)]
    assert len({str(config) for config in configs}) == 1000
    for name in ("block", "stem", "shortcut", "groups", "bias", "eps", "in_channels"):
        assert len({config[name] for config in configs}) >= 2, name
