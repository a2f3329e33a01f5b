"""Two sides, an input and a loss -> the numbers of the five runs of a training step; see gradients.py."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from parity.models.aims import Aim
from parity.models.arrays import Array
from parity.models.inputs import Inputs
from parity.models.layers import LayerInfo
from parity.models.steps import Look
from parity.pairs.matching import Wiring
from parity.runners.lessons import ShelfBoard, Taught
from parity.runners.runner import Runner
from parity.verdict.difference import Difference, eased, float32_ok, structure_ok
from parity.verdict.gradients import TensorGradient
from parity.verdict.measured import Measured, Name
from parity.verdict.rounding import rounded

Layers = tuple[list[LayerInfo], list[LayerInfo]]


@dataclass(frozen=True)
class Numbers:
    """What the five runs measured, by (what, key)."""

    inherited: dict[Name, Difference]
    added: dict[Name, Measured]
    torch: dict[Name, Measured]
    keras: dict[Name, Measured]

    def eased(self, narrow: Collection[str], wiring: Wiring) -> "Numbers":
        """The same, judged by float32's line where what a step of `narrow` computes, or sends back, was in float32."""

        def users(key: str) -> set[str]:
            made = (
                (name, step.sources if step.origins is None else step.origins) for name, step in wiring.steps.items()
            )
            return {name.partition("<")[0] for name, of in made if key in of or "glue" in of}  # whose makers are unseen

        def judged(name: Name, found: Measured) -> Measured:
            what, key = name
            own = key.rpartition(".")[0] if what == "tensor" else key
            near = {own, own.partition("<")[0]} | (users(key) if what == "gradient" else set())
            ours = not near.isdisjoint(narrow) and float32_ok(found.error) and not structure_ok(found.error)
            return replace(found, error=eased(found.error)) if ours else found

        return replace(self, added={name: judged(name, found) for name, found in self.added.items()})

    def tensor(self, name: Name) -> TensorGradient:
        """The four numbers of one array."""
        added = self.added[name]
        ours, theirs = self.torch.get(name), self.keras.get(name)
        return TensorGradient(
            added.error,
            self.inherited.get(name),
            ours.error if ours else Difference(),
            theirs.error if theirs else Difference(),
            theirs.low if theirs else Difference(),
            added.absent,
        )


def measure(
    torch: Runner,
    keras: Runner,
    look: Look,
    layers: Layers,
    x: Inputs,
    dtype: str,
    seed: int,
    aim: Aim | None = None,
) -> tuple[Numbers, Taught]:
    """Make the five runs, two at a time. Also returns where what torch taught lies on its shelf."""
    teaching, running = torch.teach(x, seed, look, aim), keras.free_gradients(x, seed, look, aim)
    taught = teaching.result()
    inherited = _inherited(ShelfBoard(torch.shelf, taught), running, layers, x)
    forcing = keras.forced_gradients(taught, x, "float64", look, aim)
    if dtype == "float64":
        added = forcing.result()
        taught, added = _without_rounding(torch, keras, taught, added)
        return Numbers(inherited, added, {}, {}), taught
    rounding = torch.teach_rounding(taught, x, dtype, look)
    added = forcing.result()
    taught, ours = rounding.result()
    taught, added = _without_rounding(torch, keras, taught, added)
    theirs = keras.forced_gradients(taught, x, dtype, look, aim).result()
    return Numbers(inherited, added, ours, theirs), taught


def _without_rounding(
    torch: Runner, keras: Runner, taught: Taught, added: dict[Name, Measured]
) -> tuple[Taught, dict[Name, Measured]]:
    """What Keras adds: where it is more than the line, torch says what float64 can lose, and it is judged again."""
    names = [name for name, measured in added.items() if not structure_ok(measured.error)]
    if not names:
        return taught, added
    taught = torch.teach_losses(taught, names).result()
    errors = keras.judge_again(taught).result()
    return taught, {name: replace(measured, error=errors.get(name, measured.error)) for name, measured in added.items()}


def _inherited(
    board: ShelfBoard, theirs: Iterator[tuple[str, Array]], layers: Layers, x: Inputs
) -> dict[Name, Difference]:
    """How Keras's free run differs from torch's in what both have."""
    names = [{f"{layer.path}.{name}" for layer in side for name in layer.weights} for side in layers]
    common = (names[0] & names[1]) | {"loss", *x.keys.values()}
    found: dict[Name, Difference] = {}
    for key, array in theirs:
        ours = board.get(("tensor", key)) if key in common else None
        if ours is not None:
            found["tensor", key] = rounded(("tensor", key), array, ours, board.sizes.get(("tensor", key)))
    return found
