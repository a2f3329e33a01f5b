"""A layer's gradients as data: for each of its tensors the same four numbers as for the forward pass. Pure."""

import math
from dataclasses import dataclass, field
from typing import Any

from parity.models.numbers import or_null

from .difference import ROUNDING, STRUCTURE_LINE, Difference, arithmetic_bound, structure_ok


@dataclass(frozen=True)
class TensorGradient:
    """The numbers of one tensor. `inherited` is None where the free runs do not give it.

    added: the candidate's against the reference's, both from the reference's own input and upstream gradient.
    reference, candidate: the rounding of the asked dtype on either side, from the same. difference: between the two in
    that dtype. absent: whose gradient is missing, or zero, where the other's is not. summed: how many numbers a batch
    statistic in it is a sum of. lost: the share of itself that such a sum loses in float32 where these very numbers are
    added one by one. absorbed: no weight's gradient and no input's differs for it, so it trains nothing otherwise.
    """

    added: Difference
    inherited: Difference | None = None
    reference: Difference = field(default_factory=Difference)
    candidate: Difference = field(default_factory=Difference)
    difference: Difference = field(default_factory=Difference)
    absent: str = ""
    summed: int = 0
    lost: float = 0.0
    absorbed: bool = False

    def allowed(self, dtype: str) -> float:
        """The greatest rms error allowed on the coarser side: see `compare.arithmetic_bound`, and for sums below.

        A sum of n numbers of one sign, added one by one, is off by about sqrt(n) / 3 roundings of itself (each partial
        sum rounds once: a random walk of growing steps), and one added pairwise by almost none. TensorFlow's fused
        batch norm adds one by one, torch pairwise; both are right, so up to 2 sqrt(n) roundings, six sigma, pass.
        Numbers that are alike, such as a ReLU's zeros, all round to the same side: then twice what is `lost` passes.
        """
        finer = min(self.reference, self.candidate, key=lambda side: side.rms)
        return max(arithmetic_bound(finer, dtype), 2.0 * math.sqrt(self.summed) * ROUNDING[dtype], 2.0 * self.lost)

    def _rounds_alike(self, dtype: str) -> bool:
        sides = self.reference, self.candidate
        return all(side.finite for side in sides) and max(side.rms for side in sides) <= self.allowed(dtype)

    def faults(self, dtype: str) -> tuple[str, ...]:
        """ "gradient", "gradient arithmetic", or nothing."""
        if self.absorbed:
            return ()
        if not structure_ok(self.added):
            return ("gradient",)
        if dtype != "float64" and not self._rounds_alike(dtype):
            return ("gradient arithmetic",)
        return ()


@dataclass(frozen=True)
class Gradient:
    """What a step does in training: its tensors by name.

    "weight", "bias", ...: the gradient; "running_mean", "running_var": the statistic afterwards; "output": the step's
    output in training mode; "input": the gradient into its input; "input PATH": the gradient that reaches the layer
    PATH, for which this operation between layers is answerable.
    """

    tensors: dict[str, TensorGradient]

    def worst(self, name: str) -> float | None:
        """The greatest error ("inherited", "added") or rms ("reference", "candidate", "difference"); NaN before all."""
        found = [getattr(tensor, name) for tensor in self.tensors.values()]
        kept = [_size(name, difference) for difference in found if difference is not None]
        return max(kept, key=lambda value: (value != value, value), default=None)

    def to_json(self) -> dict[str, Any]:
        """`"gradient"` of a layer in the JSON report."""
        numbers = {name: or_null(self.worst(number)) for name, number in NUMBERS.items()}
        return numbers | {"tensors": {name: _tensor_json(tensor) for name, tensor in self.tensors.items()}}


# By what the JSON report calls them.
NUMBERS = {
    "inherited": "inherited",
    "added": "added",
    "torch": "reference",
    "keras": "candidate",
    "difference": "difference",
}


def _size(name: str, found: Difference) -> float:
    return found.error if name in ("inherited", "added") else found.rms


def _tensor_json(tensor: TensorGradient) -> dict[str, Any]:
    found = ((name, getattr(tensor, number)) for name, number in NUMBERS.items())
    return {name: None if value is None else or_null(_size(name, value)) for name, value in found}


def why(gradient: Gradient, dtype: str) -> str:
    """What is wrong with a layer's gradients, in words: its worst tensor's numbers."""
    wrong = {name: tensor for name, tensor in gradient.tensors.items() if tensor.faults(dtype)}
    name, tensor = max(wrong.items(), key=lambda item: (not item[1].added.finite, item[1].added.error))
    found = tensor.added
    if "gradient" in tensor.faults(dtype):
        if not found.finite:
            return f"{WORDS.get(name, name)} in training has NaN or infinity"
        return f"from the same input and upstream gradient, {words(name)} {_gap(found)}"
    return (
        f"in {dtype} {words(name)} is off float64 by {tensor.reference.rms:.1e} (rms) in torch "
        f"and {tensor.candidate.rms:.1e} "
        f"in Keras; beside the better one {tensor.allowed(dtype):.1e} is allowed"
    )


def _gap(found: Difference) -> str:
    if found.scale == 0:
        return f"is zero in torch and up to {found.greatest:.2e}{found.at} in Keras"
    return (
        f"differs by at most {found.greatest:.2e}{found.at}, {found.error:.1e} of its scale {found.scale:.3g} "
        f"(allowed {STRUCTURE_LINE:.0e})"
    )


WORDS = {
    "output": "the output in training mode",
    "input": "the gradient into its input",
    "running_mean": "the running mean afterwards",
    "running_var": "the running variance afterwards",
    "loss": "the loss",
}


def words(name: str) -> str:
    """A tensor's name in a sentence."""
    if name.startswith("input "):
        return f"the gradient that reaches {name.removeprefix('input ')}"
    return WORDS.get(name, f"the gradient of its {name}")
