"""What one side measured beside the other's numbers, as plain data: of a step, of a gradient, of a tensor."""

from dataclasses import dataclass

from parity.models.arrays import Array, View
from parity.models.steps import StepInfo

from .difference import Difference

Name = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """A pupil's number against the teacher's float64 and against the teacher's own run in the same dtype.

    `absent`: whose gradient is zero or missing while the other side has one: "torch", "keras" or "". `array` is the
    pupil's own value where an explanation may need it.
    """

    error: Difference
    low: Difference
    absent: str = ""
    array: Array | None = None


@dataclass(frozen=True)
class Compared:
    """One step of this side beside the other's recording, both running freely.

    inherited: how it differs in float64. rounding: this side's error in the asked dtype. difference: how the two sides
    differ in that dtype. low: this side's output in it, if a Look wants it. narrow: what of the float64 run was in
    float32, in words.
    """

    key: str
    inherited: Difference
    rounding: Difference
    difference: Difference
    note: str | None
    low: Array | None
    narrow: str | None = None


@dataclass(frozen=True)
class Forced:
    """What one step adds, fed the other side's numbers, and its own output if a Look wants it.

    A step that the other side has not is there only if it is wanted, and adds nothing.
    """

    key: str
    added: Difference
    output: Array | None


@dataclass(frozen=True)
class Met:
    """One step of this side, and the other side's steps whose tensors its own equals in float64.

    partners: how this side's lies beside each, by key; None where it lies as its kind says.
    """

    step: StepInfo
    partners: dict[str, View | None]
