"""The first difference of two user's own steps -> its cause: what one side's update is, as a share of the other's.

No rule is known that either follows: what is told is how the weights have moved, from equal ones.
"""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array
from parity.verdict.cause import Cause
from parity.verdict.training import LINE, Fault

from .scene import Scene

CLOSE = 1e-6  # of a ratio: what rounding leaves of one


def own_cause(scene: Scene, fault: Fault, target: str) -> Cause | None:
    """The cause of a fault in the loss, a gradient or a weight. target: as a command line names it."""
    if fault.what == "loss":
        return _loss(scene, target)
    if fault.what == "gradient":
        ratio = _ratio(scene.gradients(name)[::-1] for name in scene.parameters())
        told = f"the gradient of {fault.path} differs by {fault.error:.1e} of its scale"
        if ratio is not None and abs(ratio) > CLOSE:
            what = f"all of Keras's gradients are {ratio:.6g} times torch's, from equal weights and losses"
            return Cause(
                "gradient factor", "", f"{what}; look for a clipping, or a loss scaled for the backward pass alone"
            )
        return Cause("backward pass", fault.path, f"{told}; `{_command(target)}` names the layer")
    return _weights(scene, fault)


def _command(target: str) -> str:
    return f"python -m parity.check {target} --gradients"


def _loss(scene: Scene, target: str) -> Cause:
    ours, theirs = scene.step.loss
    told = f"from equal weights the losses are {ours:.9g} in torch and {theirs:.9g} in Keras"
    ratio = theirs / ours if ours else 0.0
    for times, side in ((ratio, "Keras"), (1 / ratio if ratio else 0.0, "torch")):
        if round(times) > 1 and abs(times / round(times) - 1) < CLOSE:
            told += f", {side}'s {round(times)} times the other's: a mean over another count"
            return Cause("loss reduction", "", told)
    if scene.step.number > 1:
        return Cause("loss", "", f"{told} at step {scene.step.number}, the steps before being equal")
    return Cause("forward pass", "", f"{told}: other losses, or other models; `{_command(target)}` names the layer")


def _weights(scene: Scene, fault: Fault) -> Cause:
    moves = {name: _moves(scene, name) for name in scene.parameters()}
    still = [side for side, n in (("torch", 0), ("Keras", 1)) if not any(move[n].any() for move in moves.values())]
    if still:
        return Cause("no update", fault.path, f"{still[0]}'s step moves no weight, and the other's does")
    if not all(move.any() for move in moves[fault.path]):
        side = "torch" if not moves[fault.path][0].any() else "Keras"
        told = f"{fault.path} stays as it was in {side}, and moves in the other; has the optimizer got it?"
        return Cause("not trained on one side", fault.path, told)
    ratio = _ratio((theirs, ours) for ours, theirs in moves.values())
    if ratio is not None:
        told = f"Keras's step is {ratio:.6g} times torch's in every weight, at step {scene.step.number}"
        return Cause("learning rate", "", f"{told}: another rate, or a schedule read at another step")
    kept = {name: np.asarray(scene.torch.before(("weight", name)).result()) for name in moves}
    decay = _ratio((theirs - ours, kept[name]) for name, (ours, theirs) in moves.items())
    if decay is not None:
        told = f"Keras's step differs from torch's by {decay:.6g} times the weight: the rate times a weight decay"
        return Cause("weight decay", fault.path, told)
    epsilons = _epsilons(scene, moves) if scene.step.number == 1 else None
    if epsilons is not None:
        told = "both first steps are rate * g / (|g| + e), as Adam's is, with e = {:.4g} in torch and {:.4g} in Keras"
        more = "Keras adds epsilon before the bias correction, so divide its epsilon by sqrt(1 - beta2) to compare"
        return Cause("wrong epsilon", fault.path, f"{told.format(*epsilons)}; {more}")
    if scene.step.number > 1:
        told = f"the steps up to {scene.step.number - 1} are equal and this one is not: what an optimizer remembers"
        return Cause("optimizer state", fault.path, f"{told} differs (momentum, averages), or a schedule")
    worst = np.abs(moves[fault.path][0]).max(), np.abs(moves[fault.path][1]).max()
    told = "{} moves by up to {:.4g} in torch and {:.4g} in Keras".format(fault.path, *worst)
    return Cause("update rule", fault.path, f"{told}, and no one factor makes them equal: another optimizer or setting")


def _epsilons(scene: Scene, moves: dict[str, tuple[Array, Array]]) -> tuple[float, float] | None:
    """Of torch's step and of Keras's, e where a step is rate * g / (|g| + e); None where it is another, or unseen."""
    gradients = {name: scene.gradients(name) for name in moves}
    found = []
    for side in (0, 1):
        g = np.abs(np.concatenate([np.ravel(gradients[name][side]) for name in moves]))
        step = np.abs(np.concatenate([np.ravel(moves[name][side]) for name in moves]))
        told = (g > 1e-6 * g.max(initial=0.0)) & (step > 0)
        if not np.isfinite(g).all() or told.sum() < 3:
            return None
        g, ratio = g[told], g[told] / step[told]
        slope, start = np.polyfit(g, ratio, 1)
        if np.abs(slope * g + start - ratio).max() > CLOSE * ratio.max():
            return None
        found.append((1 / slope, start / slope))
    (rate, one), (other_rate, other) = found
    return (float(one), float(other)) if abs(rate / other_rate - 1) < CLOSE else None


def _moves(scene: Scene, name: str) -> tuple[Array, Array]:
    """How far a weight has moved in torch and in Keras."""
    before = np.asarray(scene.torch.before(("weight", name)).result())
    ours, theirs = scene.both_read(("weight", name))
    return ours - before, theirs - before


def _ratio(pairs: "Iterator[tuple[Array, Array]]") -> float | None:
    """What the second of all pairs is multiplied by to be the first; None where no one number does it."""
    known = [(np.ravel(one), np.ravel(other)) for one, other in pairs]
    known = [(one, other) for one, other in known if np.isfinite(one).all() and np.isfinite(other).all()]
    if not known:
        return None
    one, other = np.concatenate([one for one, _ in known]), np.concatenate([other for _, other in known])
    size = float(np.vdot(other, other))
    ratio = float(np.vdot(one, other)) / size if size else 0.0
    near = float(np.abs(one - ratio * other).max(initial=0.0)) <= max(
        CLOSE * float(np.abs(one).max(initial=0.0)), LINE**2
    )
    return ratio if size and near and abs(ratio - 1) > CLOSE else None
