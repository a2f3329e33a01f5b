"""Pairs that compute the same and are written differently: a few here, five hundred in benchmarks/rewritten.py."""

import pytest

from benchmarks.rewrites.pairs import check, network
from benchmarks.rewrites.verdicts import names_the_place, planted
from parity.reports.terminal.check import text

# A pool that moves, attention, weights along a flattened axis, channels first between transposes, norms without scale.
SEEDS = (2, 8, 18, 62, 102, 111)
FAULTY = (10, 15, 31, 41, 46, 54)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rewritten_pair_matches(seed: int) -> None:
    report = check(network(seed))
    assert report.ok, f"{network(seed)}: {text(report)}"


@pytest.mark.parametrize("seed", FAULTY)
def test_a_fault_in_a_rewritten_pair_is_found_where_it_is(seed: int) -> None:
    net = network(seed)
    fault = planted(net)
    assert fault is not None
    report = check(net, fault)
    assert not report.ok, f"{fault.what} in e{fault.place} of {net}"
    assert names_the_place(report, net, fault), f"{fault.what} in e{fault.place} of {net}: {text(report)}"
