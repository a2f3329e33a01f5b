"""The numbers of a slice that are more than rounding of any step -> judged again, by what float64 can lose there.

Most checks have none: equal programs agree far below the line. Only a step that subtracts numbers near one another
loses more, in proportion to their size, and magnifies what its input has lost; see verdict/rounding.py and anchors.py.
"""

from parity.models.steps import Look
from parity.pairs.matching import Wiring
from parity.runners.recording import Recording
from parity.runners.runner import Runner
from parity.verdict.difference import FLOAT32_LINE, eased, float32_ok, is_rounding, structure_ok
from parity.verdict.results import Sums


def judge_again(sums: dict[str, Sums], recording: Recording, torch: Runner, keras: Runner, wiring: Wiring) -> None:
    """Change the numbers of steps in which two right programs may differ by more than the line. recording: torch's."""
    if all(structure_ok(entry.added) and structure_ok(entry.inherited) for entry in sums.values()):
        return
    narrow = _ease(sums)
    _judge_added(sums, recording, torch, keras)
    if all(structure_ok(entry.added) for entry in sums.values()):
        _judge_inherited(sums, recording, keras, wiring, narrow)


def _ease(sums: dict[str, Sums]) -> list[str]:
    """Judge by float32's line what was computed in float32, where more than float64 could lose is lost; which steps."""
    found = [
        entry for entry in sums.values() if entry.narrow and float32_ok(entry.added) and not structure_ok(entry.added)
    ]
    for entry in found:
        entry.note = (
            f"{entry.narrow}, also in the float64 run: off by {entry.added.error:.1e} of its scale (allowed "
            f"in float32: {FLOAT32_LINE:.1e}); what follows is compared on torch's numbers"
        )
        entry.added = eased(entry.added)
    return [entry.step.key for entry in found]


def _judge_added(sums: dict[str, Sums], recording: Recording, torch: Runner, keras: Runner) -> None:
    doubtful = [key for key, entry in sums.items() if entry.added.finite and not is_rounding(entry.added)]
    losses = torch.losses(recording, doubtful).result() if doubtful else {}
    if losses:
        for key, added in keras.judge_forced_again(recording, losses).result().items():
            sums[key].added = added


def _judge_inherited(
    sums: dict[str, Sums], recording: Recording, keras: Runner, wiring: Wiring, narrow: list[str]
) -> None:
    """No step adds more than it may: then an error is inherited, unless it is there without what was magnified."""
    sound = [key for key, entry in sums.items() if is_rounding(entry.added)] + narrow
    for found in keras.anchored(recording.only(wiring.steps), Look(wiring.watch), frozenset(sound), frozenset(narrow)):
        entry = sums[found.key]
        if found.anchor:
            entry.note = entry.note or _note(found.inherited.error)
        entry.inherited = entry.added if found.anchor else found.inherited


def _note(error: float) -> str:
    return (
        f"magnifies what float64 has rounded before it to {error:.1e} of its scale, in both frameworks alike; what "
        "follows is compared on torch's numbers"
    )
