"""From the first difference of a lock-step run to its cause: what was made first, by which side, by which rule.

Both sides wait after the faulty step and hand out what they have. A cause is named only if, with it assumed, that
side's numbers come out as they are (`CLOSES`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.keys import STATISTICS, is_statistic
from parity.models.layers import shapes_of
from parity.models.recipe import Recipe
from parity.verdict.cause import CLOSES, TITLES, Cause
from parity.verdict.training import LINE, Fault

from .losses import added_loss, other_function, other_loss
from .norms import moved_twice
from .own_steps import own_cause
from .penalties import Penalty, penalty
from .scene import Scene
from .stepping import Tensor, Waiting, tensor_of

EPSILONS = (0.0, 1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10)


def cause_of(scene: Scene, fault: Fault, target: str) -> Cause | None:
    """The cause of the first fault. None where nothing on the list gives it. target: as a command line names it."""
    if scene.recipe.own_step and fault.what not in STATISTICS:
        return next(filter(None, _of_pass(scene, fault)), None) or own_cause(scene, fault, target)
    if fault.what == "rate":
        return _rate(scene)
    if fault.what in ("loss", "gradient"):
        return _pass(scene, fault, target)
    if fault.what in STATISTICS:
        return _statistic(scene, fault)
    return _update(scene, fault)


def _of_pass(scene: Scene, fault: Fault) -> Iterator[Cause | None]:
    """What is looked for in a pass, whoever made the step."""
    yield from (guess(scene, fault) for guess in (_penalised, _frozen) if fault.what == "gradient")


def _rate(scene: Scene) -> Cause:
    number, recipe = scene.step.number, scene.recipe
    if recipe.schedule == "plateau":
        return Cause("learning rate", "", f"torch's rate is {scene.rate('torch'):g}, Keras's {scene.rate('keras'):g}")
    due = recipe.rate(number - 1)
    side = max(("torch", "keras"), key=lambda name: abs(scene.rate(name) - due))
    rate, title = scene.rate(side), TITLES[side]
    told = f"{title}'s rate at step {number} is {rate:.10g}, and {due:.10g} was due"
    if number > 1 and np.isclose(rate, recipe.rate(number - 2), rtol=1e-9):
        return Cause("skipped schedule step", "", f"{told}: it is still that of step {number - 1}")
    if np.isclose(rate, recipe.rate(number), rtol=1e-9):
        return Cause("schedule step too many", "", f"{told}: it is already that of step {number + 1}")
    return Cause("learning rate", "", told)


def _pass(scene: Scene, fault: Fault, target: str) -> Cause | None:
    """A forward or backward pass that differs from equal weights; what a run has drifted to is no pass's fault."""
    if scene.step.number > 1 and fault.error < 1e3 * LINE:
        return None
    for guess in (other_loss, _penalised, added_loss, other_function, _frozen):
        known = guess(scene, fault)
        if known is not None:
            return known
    what = "forward pass" if fault.what == "loss" else "backward pass"
    losses = "from equal weights the losses are {:.9g} in torch and {:.9g} in Keras".format(*scene.step.loss)
    told = losses if fault.what == "loss" else f"the gradient of {fault.path} differs by {fault.error:.1e} of its scale"
    return Cause(what, fault.path, f"{told}; `python -m parity.check {target} --gradients` names the layer")


def _penalised(scene: Scene, fault: Fault) -> Cause | None:
    """Whether one model adds penalties of its weights to the loss, as Keras's regularizers do."""
    found: dict[str, tuple[str, Penalty]] = {}
    for name in shapes_of(scene.layers):
        if is_statistic(name):
            continue
        ours, theirs = scene.gradients(name)
        weight = np.asarray(scene.torch.before(("weight", name)).result())
        for side, without, gradient in (("Keras", ours, theirs), ("torch", theirs, ours)):
            one = penalty(weight, without, gradient)
            if one is not None:
                found[name] = side, one
    if not found or (fault.what == "gradient" and fault.path not in found):
        return None
    first, (side, one) = next(iter(found.items()))
    rest = f", and more of {len(found) - 1} others" if len(found) > 1 else ""
    told = f"{side}'s model adds {one} of {first} to the loss{rest}: so assumed, its gradient is {one.left:.1e} off"
    rule = "a regularizer l2(c) decays a weight w by 2 * c * w, as weight_decay = 2 * c in the other's optimizer would"
    return Cause("weight decay by loss", first, f"{told}; {rule}")


def _frozen(scene: Scene, fault: Fault) -> Cause | None:
    """Whether one side trains what the other does not."""
    if fault.what != "gradient" or is_statistic(fault.path):
        return None
    ours, theirs = scene.gradients(fault.path)
    if bool(ours.any()) == bool(theirs.any()):
        return None
    still, moved, size = ("torch", "Keras", theirs) if theirs.any() else ("Keras", "torch", ours)
    told = f"the gradient of {fault.path} is zero or absent in {still}, and up to {np.abs(size).max():.2e} in {moved}"
    return Cause("frozen on one side", fault.path, f"{told}; look for requires_grad=False, trainable=False or a detach")


def drawn(losses: dict[str, list[Array]]) -> Cause | None:
    """Whether a side draws random numbers in its forward pass, told by two losses from the same weights."""
    for side, (first, second) in losses.items():
        if float(first[0]) != float(second[0]):
            told = f"two forward passes of {TITLES[side]} from the same weights give the losses"
            return Cause("dropout left on", "", f"{told} {float(first[0]):.6g} and {float(second[0]):.6g}")
    return None


def _statistic(scene: Scene, fault: Fault) -> Cause | None:
    """Both sides' running statistic: torch's s + m (b - s), with the batch's b, and what Keras has made of it."""
    what, name = fault.what, fault.path
    path = name.rpartition(".")[0]
    momentum = next(float(layer.static.get("momentum") or 0.0) for layer in scene.layers if layer.path == path)
    before, ours, theirs = (
        np.asarray(answer.result())
        for answer in (scene.torch.before((what, name)), scene.torch.read((what, name)), scene.keras.read((what, name)))
    )
    if np.array_equal(theirs, before) or np.array_equal(ours, before):
        side = "Keras" if np.array_equal(theirs, before) else "torch"
        return Cause("running statistics not updated", path, f"{name} in {side} is what it was before the step")
    moved = float(np.vdot(theirs - before, ours - before) / np.vdot(ours - before, ours - before))
    (size,) = scene.torch.read(("size", name)).result()
    times = f"{moved:.4g}"
    if times != "1" and _near(theirs, before + moved * (ours - before), size):
        for cause, evidence in moved_twice(moved, momentum):
            return Cause(cause, path, evidence)
        told = f"{name} in Keras moves {times} times as far as in torch: the batch counts {moved * momentum:.4g}"
        return Cause("wrong batch norm momentum", path, f"{told} instead of {momentum:g}")
    kept = (1 - momentum) * before
    ratio = float(np.vdot(theirs - kept, ours - kept) / np.vdot(ours - kept, ours - kept))
    if what == "running_var" and _near(theirs, kept + ratio * (ours - kept), size) and momentum:
        count, side = (1 / (1 - ratio), "Keras") if ratio < 1 else (1 / (1 - 1 / ratio), "torch")
        told = f"the batch's variance in {name} is {ratio:.6g} of torch's in Keras"
        return Cause("biased running variance", path, f"{told}: {side} divides by n = {count:.4g}, not by n - 1")
    return None


def _near(found: Array, wanted: Array, scale: float) -> bool:
    return float(np.abs(found - wanted).max()) <= LINE * scale


def _update(scene: Scene, fault: Fault) -> Cause | None:
    """The side whose step does not follow the rule that both were given, and the rule that it follows."""
    for side, process in scene.both():
        tensors = dict(_tensors(scene, side, process))
        wrong = {name: gap for name, tensor in tensors.items() if (gap := tensor.gap(scene.recipe)) > LINE}
        if wrong:
            worst = max(wrong, key=lambda name: wrong[name])
            cause = _decayed(scene.recipe, tensors, wrong, side) or _other_rule(scene.recipe, tensors[worst], side)
            told = f"{TITLES[side]}'s step of {worst} is off the rule by {wrong[worst]:.1e} of its scale"
            return cause or Cause("update rule", worst, f"{told}, and no rule on the list gives it")
    return None


def _tensors(scene: Scene, side: str, process: Waiting) -> Iterator[tuple[str, Tensor]]:
    for name, shape in shapes_of(scene.layers).items():
        if not is_statistic(name):
            tensor = tensor_of(process, scene.recipe, name, shape, scene.rate(side), scene.step.number)
            frozen = not tensor.before.gradient.any() and np.array_equal(tensor.before.weight, tensor.weight)
            if not frozen:  # no rule applies to it
                yield name, tensor


def _decayed(recipe: Recipe, tensors: dict[str, Tensor], wrong: dict[str, float], side: str) -> Cause | None:
    """Whether all that is wrong is that parameters decay which should not, or the reverse."""
    if not recipe.weight_decay:
        return None
    other = {name: tensors[name].gap(recipe, decays=not tensors[name].before.decays) for name in wrong}
    if not all(_closes(wrong[name], gap) for name, gap in other.items()):
        return None
    names = ", ".join([*wrong][:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    decays = tensors[next(iter(wrong))].before.decays
    told = f"{names} {'do not decay' if decays else 'decay'} in {TITLES[side]}"
    name = "no weight decay" if decays and recipe.decay_on == "all" and len(wrong) == len(tensors) else None
    evidence = f"{told}, and should{'' if decays else ' not'}: so assumed, the gap closes to {max(other.values()):.1e}"
    return Cause(name or "weight decay on the wrong parameters", next(iter(wrong)), evidence)


def _other_rule(recipe: Recipe, tensor: Tensor, side: str) -> Cause | None:
    """The first rule on the list that gives the step as it was."""
    first = tensor.gap(recipe)
    for name, words, other, changes in _hypotheses(recipe, tensor):
        gap = tensor.gap(other, **changes)
        if _closes(first, gap):
            told = f"{TITLES[side]}'s step of {tensor.name} with {words}"
            return Cause(name, tensor.name, f"{told}: the gap closes from {first:.1e} to {gap:.1e}")
    return None


def _closes(before: float, after: float) -> bool:
    return after <= LINE and after * CLOSES <= before


def _hypotheses(recipe: Recipe, tensor: Tensor) -> Iterator[tuple[str, str, Recipe, dict[str, Any]]]:
    for field, value in _fitted(recipe, tensor):
        given = getattr(recipe, field)
        words = f"{field} {value:.6g} instead of {given:g}"
        yield f"wrong {'momentum' if field == 'momentum' else field}", words, _with(recipe, field, value), {}
    for epsilon in EPSILONS:
        for form, where in (("torch", ""), ("keras", " where Keras's own rule has it")):
            words = f"epsilon {epsilon:g}{where} instead of {recipe.epsilon:g}"
            yield "wrong epsilon", words, replace(recipe, epsilon=epsilon), {"epsilon_form": form}
    if recipe.momentum and recipe.optimizer == "sgd":
        words = "plain momentum, not Nesterov's" if recipe.nesterov else "Nesterov's momentum, not the plain"
        yield "wrong momentum", words, replace(recipe, nesterov=not recipe.nesterov), {}
    if recipe.weight_decay:
        other = "decoupled" if recipe.decay == "coupled" else "coupled"
        yield "wrong weight decay", f"{other} decay", replace(recipe, decay=other), {}
        for factor in (0.0, 0.5, 2.0):
            value = factor * recipe.weight_decay
            words = f"weight decay {value:g} instead of {recipe.weight_decay:g}"
            yield "wrong weight decay", words, replace(recipe, weight_decay=value), {}


def _with(recipe: Recipe, field: str, value: Any) -> Recipe:
    return replace(recipe, **{field: value})


def _fitted(recipe: Recipe, tensor: Tensor) -> Iterator[tuple[str, float]]:
    """The momentum, or the averaging factors, that the state moved by: each is linear in one number."""
    before, g = tensor.before, tensor.before.gradient
    if before.decays and recipe.decay == "coupled":
        g = g + recipe.weight_decay * before.weight
    if recipe.optimizer == "sgd" and recipe.momentum:
        buffer = before.state["momentum_buffer"]
        yield from _fit("momentum", buffer, tensor.state["momentum_buffer"] - g)
        if recipe.nesterov:  # at the first step it shows in the weight alone
            step = (before.weight - tensor.weight) / (before.rate or 1.0)
            yield from _fit("momentum", tensor.state["momentum_buffer"], step - g)
    averages = {"lion": "beta2", "muon": "momentum" if g.ndim == 2 else "beta1"}
    first = averages.get(recipe.optimizer, "beta1")
    for field, slot, new in ((first, "exp_avg", g), ("beta2", "exp_avg_sq", g * g), ("rho", "square_avg", g * g)):
        if slot in before.state:
            old = before.state[slot]
            yield from _fit(field, old - new, tensor.state[slot] - new)


def _fit(field: str, along: Array, moved: Array) -> Iterator[tuple[str, float]]:
    square = float(np.vdot(along, along))
    if square:
        yield field, float(np.vdot(along, moved)) / square
