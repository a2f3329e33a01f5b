"""The calls between layers that make a step's output -> what people get wrong in one, a row a cause, and two at a time.

torch's calls are run again by torch itself with an edit: another argument, a call left out, another function.
"""

import math
import re
from collections.abc import Iterator
from itertools import combinations, islice, permutations, product
from typing import Any

from parity.models.calls import Call, Edit
from parity.models.edits import Mend
from parity.models.kinds import KINDS
from parity.models.kinds.spelling import EXACTNESS, ORDERED

from .evidence import Evidence, Guess
from .norms import EPSILONS

Tried = tuple[str, Edit, str]  # the cause's name, the edit, what was done
PAIRS = 600  # edits that are tried, and pairs of them where none alone closes the gap,
NUMBERS = 20_000_000  # of all outputs that are tried together so many at most,
FEWEST = 100  # but so many edits
AXES = ("dim", "axis", "dims", "dim0", "dim1", "axes")
CAUSES = dict.fromkeys(AXES, "another axis") | {
    "eps": "BN eps",
    "correction": "biased variance",
    "unbiased": "biased variance",
    "idx": "another place of a slice",
    "num_heads": "number of heads",
    "num_head": "number of heads",
    "is_causal": "causal mask",
    "count_include_pad": "padding counted in the average",
    "align_corners": "pixel centres of the resize (align_corners)",
    "antialias": "antialias filter of the resize",
    "negative_slope": "activation slope",
    "approximate": "approximate",
}
SCALED = re.compile("r?(mul|add|sub)|(true)?div")  # by a number of the program's own
LEFT_OUT = {kind.functions[0]: kind.alone for kind in KINDS if kind.merges and kind.alone and kind.functions}
ACTIVATIONS = tuple(kind.functions[0] for kind in KINDS if kind.activation and kind.functions)
JOINING = (*(kind.functions[0] for kind in KINDS if kind.merges and kind.commutes and kind.functions), "sub", "div")
ALIKE = (
    JOINING,
    ("tril", "triu"),
    ("gt", "ge", "lt", "le", "eq", "ne"),
    ("mean", "sum", "amax", "amin"),
    ACTIVATIONS,
)
MASKING, NEGATIONS, SIGN = ("masked_fill", "where"), ("invert", "bitwise_not", "logical_not"), "sign of a mask"
REDUCED = ("mean", "amax", "sum")
DROPPED = tuple(name for kind in KINDS if kind.idle and kind.draws for name in kind.functions)


def region_guesses(evidence: Evidence) -> Iterator[Guess]:
    """Keras's output as what torch's own calls make with an edit, or with two."""
    most = min(PAIRS, max(FEWEST, NUMBERS // max(1, evidence.torch.size)))
    tried = list(islice(_edits(evidence.calls), most))
    for name, edit, what in tried:
        made = evidence.edited((edit,))
        if made is not None:
            yield name, made, f"torch's calls with {what}", _mend(evidence, edit)
    for (name, _, what), edits in _everywhere(evidence.calls, tried):
        made = evidence.edited(edits)
        if made is not None:
            yield name, made, f"torch's calls with {what}, in all {len(edits)} such calls", _mend(evidence, *edits)
    both = ((a, b) for a, b in combinations(tried, 2) if a[1].call != b[1].call)
    for (name, one, what), (_, other, more) in islice(both, most):
        made = evidence.edited((one, other))
        if made is not None:
            yield name, made, f"torch's calls with {what} and {more}", _mend(evidence, one, other)


def _everywhere(calls: tuple[Call, ...], tried: list[Tried]) -> Iterator[tuple[Tried, tuple[Edit, ...]]]:
    """The same edit of all calls of a function: a program that has it otherwise has it so wherever it is used."""
    alike: dict[tuple[str, ...], dict[int, Tried]] = {}
    for one in tried:
        edit = one[1]
        alike.setdefault((calls[edit.call].name, edit.what, edit.name, repr(edit.value)), {})[edit.call] = one
    for (name, *_), each in alike.items():
        count = sum(call.name == name for call in calls)
        if len(each) == count > 1:
            yield next(iter(each.values())), tuple(edit for _, edit, _ in each.values())


def _mend(evidence: Evidence, *edits: Edit) -> Mend:
    return Mend("call", value=tuple((evidence.calls[edit.call], edit) for edit in edits))


def _edits(calls: tuple[Call, ...]) -> Iterator[Tried]:
    """The likeliest first: an argument, what is left out, the order, another function, one more."""
    for number, call in enumerate(calls):
        for name, value in call.arguments:
            for other in _others(name, value):
                own = "constant factor" if SCALED.fullmatch(call.name) else f"{name} of {call.name}"
                cause = CAUSES["eps"] if _is_small(value) else CAUSES.get(name, own)
                yield cause, Edit(number, "argument", name, other), f"{name} {other} in {call.name} instead of {value}"
    for number, call in enumerate(calls):
        for tensor in range(min(call.tensors, 2)):
            joins = LEFT_OUT if call.tensors > 1 else {}
            cause = joins.get(call.name.removeprefix("i"), _left_out(call))
            yield cause, Edit(number, "skip", value=tensor), f"{call.name} left out"
        for axis, (name, index) in ((i, entry) for entry in call.arguments for i in _taken(entry[1])):
            for reduce in REDUCED if call.name == "getitem" else ():
                what = f"the {reduce} over axis {axis} in the place of {name} {index}"
                yield "a slice against a pool", Edit(number, "reduce", reduce, axis), what
        for axis in (value for name, value in call.arguments if name in AXES and call.name in REDUCED):
            axes = [axis] if isinstance(axis, int) else list(axis) if len(axis or ()) == 1 else []
            for one, place in product(axes, (-1, 0)):
                what = f"the place {place} of axis {one} in the place of its {call.name}"
                yield "a slice against a pool", Edit(number, "take", str(one), place), what
        if call.tensors > 1 and call.name in ORDERED:
            yield "order of what is joined", Edit(number, "swap"), f"the two tensors of {call.name} exchanged"
        for tensor in range(call.tensors if call.name in MASKING else 0):
            yield SIGN, Edit(number, "given", "logical_not", tensor), f"a mask of {call.name} the other way round"
    for number, call in enumerate(calls):
        for family in ALIKE:
            for name in family if call.name in family else ():
                if name != call.name and (family is not JOINING or call.tensors == 2):
                    cause = "another activation" if family is ACTIVATIONS else "another operation"
                    yield cause, Edit(number, "function", name, call.tensors), f"{name} in the place of {call.name}"
    for number, call in reversed([*enumerate(calls)]):
        for tensor, name in product(range(call.tensors if 1 < call.tensors < 5 else 0), ACTIVATIONS):
            yield "missing or extra activation", Edit(number, "given", name, tensor), f"{name} before {call.name}"
    for number, call in enumerate(calls):
        for name in ACTIVATIONS if number < len(calls) - 1 else ():
            yield "missing or extra activation", Edit(number, "then", name), f"{name} behind {call.name}"


def _is_small(value: Any) -> bool:
    """Whether a number is what people keep from dividing by zero with."""
    return isinstance(value, float) and 0 < value < 1e-2


def _left_out(call: Call) -> str:
    if SCALED.fullmatch(call.name) and call.tensors == 1:
        return "constant factor"
    if call.name in NEGATIONS:
        return SIGN
    if call.name in ACTIVATIONS:
        return "missing or extra activation"
    return "dropout on one side" if call.name in DROPPED else "operation missing or extra"


def _others(name: str, value: Any) -> Iterator[Any]:
    """Other values of an argument that people take it for."""
    if name in AXES:
        yield from _axes(value)
    elif isinstance(value, bool):
        yield not value
    elif name == "approximate":
        yield EXACTNESS.get(value, "none")
    elif name in ("num_heads", "num_head"):
        yield from (heads for heads in (1, 2, 3, 4, 6, 8, 12, 16) if heads != value)
    elif name == "eps":
        yield from (eps for eps in EPSILONS if eps != value)
    elif isinstance(value, int):
        yield from (value - 1, value + 1, -value, 2 * value, value // 2)
    elif _is_small(value):
        yield from (eps for eps in (*EPSILONS, value**2, math.sqrt(value)) if eps != value)
    elif isinstance(value, float) and value:
        yield from (value / 2, 2 * value, -value, 1 / value, math.sqrt(abs(value)), value**2, 0.0, 1.0)
    elif isinstance(value, tuple | list) and any(isinstance(one, slice) for one in value):
        for at, one in enumerate(value):
            for other in _other_places(one):
                yield type(value)([*value[:at], other, *value[at + 1 :]])
    elif isinstance(value, tuple | list) and value and all(isinstance(one, int) for one in value):
        yield from (type(value)(order) for order in islice(permutations(value), 1, 24))
        for at, step in ((at, step) for at in range(len(value)) for step in (-1, 1)):
            yield type(value)(one + step * (place == at) for place, one in enumerate(value))


def _taken(index: Any) -> list[int]:
    """The axes of which an index takes one place."""
    each = index if isinstance(index, tuple) else (index,)
    return [i for i, one in enumerate(each) if type(one) is int and not any(other is Ellipsis for other in each[:i])]


def _other_places(one: Any) -> Iterator[Any]:
    """Other pixels, or another pixel."""
    if type(one) is int:
        yield from (place for place in (0, -1, one + 1, one - 1, -one) if place != one)
    elif isinstance(one, slice) and (one.start is not None or one.stop is not None):
        for step in (-1, 1):
            start, stop = (None if end is None else end + step for end in (one.start, one.stop))
            yield slice(start, stop, one.step)
        yield slice(None, one.stop, one.step)
        yield slice(one.start, None, one.step)


def _axes(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        yield from (axes for axes in combinations(range(1, 5), len(value)) if set(axes) != set(value))
    elif isinstance(value, int):
        yield from (axis for axis in (1, 2, 3, -1, -2, -3, 0) if axis != value)
