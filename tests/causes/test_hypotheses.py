"""A hypothesis that raises is no answer: the next one is tried, and the verdict stands."""

from typing import Any

import numpy as np
import pytest

import parity.causes.hypotheses as hypotheses
from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.rerun import applied
from parity.models.kinds import by_formula, named

pytestmark = pytest.mark.quick


def evidence(torch: Any, keras: Any, kind: str = "conv") -> Evidence:
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    config = Config(named(kind), {}, {})
    return Evidence("layer", torch(x), keras(x), (x,), (config, config))


def broken(*args: Any) -> Any:
    raise KeyError("padding")
    yield  # a generator, as every family of hypotheses is


@pytest.mark.parametrize("family", ["setting_guesses", "weight_guesses", "activation_guesses", "run"])
def test_the_next_hypothesis_is_tried(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypotheses, family, broken)
    cause = diagnose(evidence(lambda x: x, lambda x: 3 * x))
    assert cause.name == "constant factor"


def test_a_prediction_that_cannot_be_compared_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(*args: Any) -> Any:
        yield "odd", "no array", "is no array"

    monkeypatch.setattr(hypotheses, "weight_guesses", odd)
    assert diagnose(evidence(lambda x: x, lambda x: 3 * x)).name == "constant factor"


def test_where_the_search_itself_fails_the_cause_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    import parity.causes.diagnose as module

    monkeypatch.setattr(module, "predictions", broken)
    cause = diagnose(evidence(lambda x: x, lambda x: 3 * x))
    assert cause.name == "unknown"
    assert cause.evidence == "the search for the cause itself failed, not the models: KeyError: 'padding'"
    assert cause.where is not None


def test_what_is_skipped_is_shown_to_who_asks(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(hypotheses, "weight_guesses", broken)
    found = evidence(lambda x: x, lambda x: 3 * x)
    diagnose(found)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("PARITY_DEBUG", "1")
    diagnose(found)
    assert "KeyError: 'padding'" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(6, 6), (5, 7), (9,)])
@pytest.mark.parametrize("counts", ["torch", "keras"])
def test_padding_that_one_average_counts(size: tuple[int, ...], counts: str) -> None:
    """Without settings, as of a function that a forward calls itself."""
    x = np.random.default_rng(1).standard_normal((2, 3, *size))
    kind = named("avg_pool")
    rank = len(size)
    settings = {"kernel_size": [3] * rank, "stride": [1] * rank, "padding": [(1, 1)] * rank}
    counted, share = (applied(by_formula, kind, (each,), static=settings) for each in (x, np.ones_like(x)))
    assert counted is not None
    assert share is not None
    outputs = (counted, counted / share) if counts == "torch" else (counted / share, counted)
    pool = Config(kind, {}, {})
    cause = diagnose(Evidence("pool", *outputs, (x,), (pool, pool)))
    assert cause.name == "padding counted in the average"
    other = outputs[0] + 0.01 * x, outputs[1]
    assert diagnose(Evidence("pool", *other, (x,), (pool, pool))).name == "unknown"
