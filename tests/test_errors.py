"""Sentences: lists are cut with counts, long ones keep their beginning and end, an unforeseen one says whose it is."""

import pickle

import pytest

from parity.errors import (
    MOST,
    CheckpointError,
    InternalError,
    ParityError,
    UnmatchedError,
    few,
    internal,
    short,
    words,
)

pytestmark = pytest.mark.quick


def test_a_list_is_cut_with_a_count() -> None:
    names = [f"layer{number}" for number in range(300)]
    text = few(names)
    shown, _, left = text.rpartition(" and ")
    assert left == f"{300 - len(shown.split(', '))} more"
    assert len(text) < 140
    assert few(names[:3]) == "layer0, layer1, layer2"
    assert few([]) == ""


def test_one_name_is_always_shown() -> None:
    text = few(["x" * 500, "y"], room=50)
    assert text.endswith(" and 1 more")
    assert len(text) < 70


def test_a_long_sentence_keeps_its_subject_and_its_next_step() -> None:
    error = ParityError("the subject " + "x" * 5000 + "; the next step")
    assert len(str(error)) <= MOST
    assert str(error).startswith("the subject ")
    assert str(error).endswith("; the next step")
    assert short("as it is", MOST) == "as it is"


def test_a_conversion_lists_all_that_does_not_fit() -> None:
    error = CheckpointError("x" * 5000, {"not known": map(str, range(3000))})
    assert len(str(error)) <= MOST
    assert len(error.faults["not known"]) == 3000


def test_lists_cross_a_process_whole() -> None:
    error = UnmatchedError("no partner", [str(n) for n in range(300)], ["a"])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.torch, again.keras) == ("no partner", error.torch, ["a"])


def test_what_keras_prints_of_an_error_is_one_line() -> None:
    error = ValueError("\x1b[1mException\x1b[0m in\n call [[0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0 1.1 1.2]]")
    assert words(error) == "ValueError: Exception in call [...]"


def test_an_unforeseen_exception_says_where_and_whose() -> None:
    try:
        few(None)  # type: ignore[arg-type]
    except TypeError as error:
        told = internal(error, " on the torch model m")
    assert isinstance(told, InternalError)
    assert str(told).startswith(
        "the check itself failed on the torch model m, which says nothing about the models: Type"
    )
    assert "(parity/errors.py, line " in str(told)
    assert "PARITY_DEBUG=1" in str(told)
    assert "Traceback" in told.details
    assert len(str(told)) <= MOST
