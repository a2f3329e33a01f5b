"""Requests to a side in a process of its own: answered in any order, typed at both ends, and never lost in silence."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from parity.errors import ParityError, WorkerError
from parity.models.keys import keys
from parity.models.losses import Truth
from parity.models.recipe import made
from parity.models.steps import NOTHING
from parity.runners.process import SideProcess
from parity.runners.recording import Shelf
from parity.runners.remote import RemoteRunner, both_frameworks

ROOT = Path(__file__).resolve().parents[2]
SPEC = "tests.frameworks.twins:small"
X = np.random.default_rng(0).standard_normal((2, 3, 7, 6))


@pytest.fixture
def side() -> Iterator[RemoteRunner]:
    shelf = Shelf()
    process = SideProcess("torch", SPEC, shelf.descriptor)
    try:
        yield RemoteRunner(process, shelf)
    finally:
        process.end()


def test_answers_may_be_read_in_any_order(side: RemoteRunner) -> None:
    starting, unknown = side.start(0), side.unknown_weights()
    recording = side.record(X, "float64", NOTHING, True)
    environment = side.environment()
    assert environment.result()["device"] == "cpu"
    assert unknown.result() == []
    assert [layer.path for layer in starting.result()][:2] == ["conv1", "bn1"]
    recorded = recording.result()
    assert recorded is recording.result()
    assert side.shelf.get(recorded.weights["conv1.weight"]).shape == (8, 3, 3, 3)


def test_a_stream_and_answers_do_not_mix(side: RemoteRunner) -> None:
    side.start(0)
    recording = side.record(X, "float32").result()
    side.prepare(X, "float32")
    free, forced = side.compare(recording, NOTHING), side.forced(recording, NOTHING)
    layers = side.rename(*_nothing())
    first = next(forced)
    assert [layer.path for layer in layers.result()][-1] == "fc"
    found = list(free)
    assert [entry.key for entry in found] == list(recording.outputs)
    assert [first.key, *(entry.key for entry in forced)] == list(recording.outputs)
    assert max(entry.inherited.greatest for entry in found) == 0.0


def _nothing() -> tuple[object, dict[str, str], dict[str, tuple[int, ...]]]:
    from parity.models.steps import Names

    return Names(), {}, {}


def test_an_error_is_that_of_its_request(side: RemoteRunner) -> None:
    side.start(0)
    wrong = side.record(X[:, :2], "float64")
    steps = side.prepare(X, "float64")
    assert steps.result()[0].key == "conv1"
    with pytest.raises(
        WorkerError, match=rf"^the torch model {SPEC} must run, and raised RuntimeError: .*run it alone"
    ):
        wrong.result()
    stream = side.replay(NOTHING)
    assert list(stream) == []


def test_a_process_that_ends_says_so(side: RemoteRunner) -> None:
    side.start(0).result()
    side._process._process.kill()
    with pytest.raises(WorkerError, match="the torch process must run to the end, and was ended by SIGKILL"):
        side.environment().result()


def test_a_signal_is_named_with_the_layer_that_ran() -> None:
    shelf = Shelf()
    process = SideProcess("torch", "tests.runners.ending:ends", shelf.descriptor)
    try:
        side = RemoteRunner(process, shelf)
        side.start(0).result()
        with pytest.raises(WorkerError, match="was ended by SIGFPE while 2 ran: "):
            side.prepare(X, "float64").result()
    finally:
        process.end()


def test_a_device_that_is_not_there() -> None:
    shelf = Shelf()
    process = SideProcess("torch", SPEC, shelf.descriptor, "mps")
    try:
        with pytest.raises(
            ParityError, match=r"^--devices mps needs a mps device that torch can use, and it finds only"
        ):
            RemoteRunner(process, shelf).start(0).result()
    finally:
        process.end()


def test_training_waits_after_every_step_and_takes_another_model() -> None:
    recipe = made("momentum", steps=3, batch_size=2, epoch_steps=1, loss="cross_entropy")
    labels = np.array([0, 1])
    with both_frameworks("torch", "torch") as (side, other):
        for _ in range(2):  # the second time over a run that was stopped early
            layers = [layer for layer in side.build(SPEC, 0, "float64").result() if layer.weights]
            wanted = keys(layers, recipe)
            run = side.train(recipe, X, {"output": Truth(labels)}, wanted)
            places = dict(zip(wanted, next(run), strict=True))
            assert side.shelf.view(places["loss", ""]).shape == (1,)
            before, after = side.before(("weight", "fc.weight")), side.read(("weight", "fc.weight"))
            assert not np.array_equal(before.result(), after.result())
            side.go_on()
            next(run)
            assert np.array_equal(side.before(("weight", "fc.weight")).result(), after.result())
            side.stop().result()
            assert list(run) == []
        assert side.stop().result() is None  # nothing waits
        other.build(SPEC, 1, "float64").result()
        other.load(side.put_weights().result()).result()
        assert other.unequal(side.put_weights().result()).result() == {}


def test_no_check_asks_by_a_name_in_a_string() -> None:
    """A request is a method of a Runner, which mypy checks."""
    found = []
    for path in sorted((ROOT / "parity").rglob("*.py")):
        room = path.relative_to(ROOT / "parity").parts[0]
        for node in ast.walk(ast.parse(path.read_text())) if room in ("checks", "causes", "runners") else ():
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if asks and node.func.attr in ("ask", "call") and node.args and isinstance(node.args[0], ast.Constant):
                found.append(f"{path}:{node.lineno}")
    assert found == []
