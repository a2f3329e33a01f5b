"""Two tensors' shapes -> the ways in which the numbers of one can be those of the other, and of one those of several.

A way is exact: axes are split, merged and exchanged, never cut across. What is a matrix's output axis is first in a
torch layer and last in what a Keras layer multiplies by; where a name does not say so, both ways are open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise, permutations
from math import prod
from operator import mul

from parity.models.pieces import Cut, Piece, Shape

MOST_HEADS = 64
MOST_UNREAD = 4  # rows that a table has more than the other model's, which no input reads
Label = tuple[str, int]  # how a fused tensor is cut: in "rows" or by "heads", on how many
ROWS: Label = ("rows", 0)
TURNED = ", turned"  # of the second way in which the axes of a cut can lie
Way = tuple[Label, tuple[Piece, ...]]


@dataclass(frozen=True)
class Tensor:
    """A tensor of either model, in torch's layout of its own kind.

    first: what its first axis is, where known, "out" or "in"; rows of a table are neither. sure: whether that is known,
    or what its name has in most models. gates: of a layer that recurs, how many blocks of rows, in whatever order.
    """

    name: str
    shape: Shape
    owner: str
    role: str
    first: str = ""
    tied: str = ""
    sure: bool = True
    gates: int = 0

    @property
    def is_nameless(self) -> bool:
        """Whether its name does not say what it is in its owner."""
        return self.name == f"{self.owner}.value"

    @property
    def plain(self) -> Shape:
        """The shape without axes of one number."""
        return tuple(size for size in self.shape if size != 1) or (1,)


def one_to_one(torch: Tensor, keras: Tensor) -> list[Way]:
    """The ways in which two tensors can be one."""
    cuts = Cut(torch.name, torch.plain), Cut(keras.name, keras.plain)
    found = _pieces(*cuts, _turned(torch, keras), 1)
    ways: list[Way] = [(("as it is", number), (piece,)) for number, piece in enumerate(found)]
    return [*ways, *(_by_gates([cuts], _gates(torch, keras)) if ways else ())]


def shifted(torch: Tensor, keras: Tensor) -> list[Way]:
    """The ways in which two tables can be one but for a few rows at the ends of the longer that no input reads.

    Positions that are counted from behind that of the padding leave the first rows unread.
    """
    (ours, *width), (theirs, *other) = torch.plain, keras.plain
    more = ours - theirs
    tables = len(width) == 1 and {torch.first, keras.first} <= {"row", ""}
    if width != other or not tables or not 0 < abs(more) <= MOST_UNREAD:
        return []
    fewer = min(ours, theirs)
    longer, shorter = (torch.name, keras.name)[:: 1 if more > 0 else -1]
    found: list[Way] = []
    for start in range(abs(more), -1, -1):
        part, whole = Cut(longer, (fewer + abs(more), *width), 0, start, start + fewer), Cut(shorter, (fewer, *width))
        pair = (part, whole) if more > 0 else (whole, part)
        found.append((("from row", start), (Piece(*pair, (0, 1)),)))
    return found


def one_to_many(torch: Tensor, keras: Sequence[Tensor]) -> list[Way]:
    """The ways in which a tensor of torch's can be several of Keras's."""
    found: list[Way] = []
    for label, cuts, outs in _cuts(torch, [prod(part.shape) for part in keras]):
        # What is cut across its outputs says by that where these are.
        own = (
            torch if torch.sure or label[0] != ROWS[0] else replace(torch, first=("out", "in")[label[1] > 0], sure=True)
        )
        pairs = [
            next(iter(_pieces(cut, Cut(part.name, part.plain), _turned(own, part), outs)), None)
            for cut, part in zip(cuts, keras, strict=True)
        ]
        found += [(label, tuple(piece for piece in pairs if piece is not None))] if all(pairs) else []
        if all(pairs) and label[0] == ROWS[0] and label[1]:  # along the inputs, so each part has rows of all gates
            parts = [(cut, Cut(part.name, part.plain)) for cut, part in zip(cuts, keras, strict=True)]
            found += _by_gates(parts, _gates(torch, *keras))
    return found


def many_to_one(torch: Sequence[Tensor], keras: Tensor) -> list[Way]:
    """The ways in which several tensors of torch's can be one of Keras's."""
    found: list[Way] = []
    for label, cuts, _ in _cuts(keras, [prod(part.shape) for part in torch]):
        parts = [(Cut(part.name, part.plain), cut) for cut, part in zip(cuts, torch, strict=True)]
        for number, turned in enumerate(_turned(torch[0], keras)):
            pairs = [next(iter(_pieces(*pair, (turned,), 1)), None) for pair in parts]
            how = (label[0] + TURNED * number, label[1])
            found += [(how, tuple(piece for piece in pairs if piece is not None))] if all(pairs) else []
            if all(pairs) and not number and label[0] == ROWS[0] and label[1]:
                found += _by_gates(parts, _gates(keras, *torch))
    return found


def _gates(*tensors: Tensor) -> int:
    """How many blocks of rows tensors of a layer that recurs have, where all have as many rows; else none."""
    count = max(tensor.gates for tensor in tensors)
    rows = {tensor.plain[0] for tensor in tensors}
    return count if count and len(rows) == 1 and not min(rows) % count else 0


@cache
def _exchanged(count: int) -> list[tuple[int, ...]]:
    """The other orders of so many gates, those in which the most have kept their places first."""
    orders = list(permutations(range(count)))[1:]
    return sorted(orders, key=lambda order: sum(a != b for a, b in enumerate(order)))


def _by_gates(parts: Sequence[tuple[Cut, Cut]], count: int) -> list[Way]:
    """The ways in which the gates of tensors that lie alike come in another order in Keras."""
    found: list[Way] = []
    for number, order in enumerate(_exchanged(count) if count else ()):
        pairs = []
        for torch, keras in parts:
            size = torch.shape[0] // count
            rows = [[(gate * size, (gate + 1) * size) for gate in gates] for gates in (order, range(count))]
            for own, other in zip(*rows, strict=True):
                cuts = replace(torch, rows=own), replace(keras, rows=other)
                pairs.append(next(iter(_pieces(*cuts, (False,), 1)), None))
        if all(pairs):
            found.append((("gates", number), tuple(piece for piece in pairs if piece is not None)))
    return found


def _turned(torch: Tensor, keras: Tensor) -> tuple[bool, ...]:
    """Whether the output axis is to be moved from first to last; both where it is not known."""
    if len(torch.plain) < 2 and len(keras.plain) < 2:
        return (False,)
    known = {torch.first, keras.first}
    if "" in known:
        return False, True
    likely = known == {"out", "in"}
    return (likely,) if torch.sure and keras.sure else (likely, not likely)


def _pieces(torch: Cut, keras: Cut, turns: tuple[bool, ...], outs: int) -> list[Piece]:
    """torch's part as Keras's, the likeliest way first. outs: axes of torch's part that are outputs."""
    plain = tuple(size for size in torch.shape if size != 1) or (1,)
    ways: dict[tuple[Shape, tuple[int, ...]], None] = {}
    rank, wanted = len(plain), keras.shape
    for turned in turns:
        axes = [(*range(p, rank), *range(p)) for p in range(1, rank)] if turned else [tuple(range(rank))]
        if turned and rank > 2:  # (out, in, ...) against (..., in, out), as kernels of convolutions lie
            axes.insert(0, (*range(2, rank), 1, 0))
        if outs > 1 and turned:  # heads are outputs too
            axes = [order for order in axes if order[0] == outs]
        if not turned and rank > 2:  # (out, in, ...) against (out, ..., in)
            axes.append((0, *range(2, rank), 1))
        found = [(plain, order) for order in axes if _fits([plain[axis] for axis in order], wanted)]
        if not turned and rank == 2 < len(wanted) and torch.whole:
            split = (wanted[0], *wanted[2:], wanted[1])
            moved = (0, len(wanted) - 1, *range(1, len(wanted) - 1))
            whole_axis = split[0] == plain[0] or split[-1] == plain[1]  # a kernel's pixels, or heads before the inputs
            found += [(split, moved)] if prod(split) == prod(plain) and whole_axis else []
        ways |= dict.fromkeys(found)
    whole = torch.whole
    kept = [(split, order) for split, order in ways if whole or split == plain]
    return [Piece(Cut(torch.tensor, split) if whole else torch, keras, _whole(torch, order)) for split, order in kept]


def _whole(cut: Cut, order: tuple[int, ...]) -> tuple[int, ...]:
    """An order of a part's axes of more than one number as one of all its axes."""
    if cut.whole:
        return order
    wide = [axis for axis, size in enumerate(cut.shape) if size != 1] or [0]
    return tuple([axis for axis in range(len(cut.shape)) if axis not in wide] + [wide[axis] for axis in order])


def _fits(found: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether one shape is the other with axes split or merged."""
    ends = [set(accumulate((size for size in shape if size != 1), mul)) or {1} for shape in (found, wanted)]
    return prod(found) == prod(wanted) and (ends[0] <= ends[1] or ends[1] <= ends[0])


def _cuts(fused: Tensor, sizes: list[int]) -> Iterator[tuple[Label, list[Cut], int]]:
    """The ways to cut a tensor into parts of these sizes: by rows, or by the rows of every head; the axes of a part
    that are outputs."""
    shape = fused.plain
    axes = range(len(shape))
    for axis in reversed(axes) if fused.first == "in" else axes:
        row = prod(shape) // shape[axis]
        rows = [size // row for size in sizes]
        if any(size % row for size in sizes) or sum(rows) != shape[axis]:
            continue
        ends = list(pairwise(accumulate(rows, initial=0)))
        yield (ROWS[0], axis), [Cut(fused.name, shape, axis, start, stop) for start, stop in ends], 1
    for axis in reversed(axes) if fused.first == "in" else axes[:1]:
        each = shape[axis] // len(sizes)
        if len(set(sizes)) > 1 or shape[axis] % len(sizes):
            continue
        for heads in range(2, min(each, MOST_HEADS) + 1):
            if each % heads == 0:
                split = (*shape[:axis], heads, len(sizes), each // heads, *shape[axis + 1 :])
                cuts = [Cut(fused.name, split, axis + 1, number, number + 1) for number in range(len(sizes))]
                yield ("heads", heads), cuts, 2 if each > heads else 1
        if fused.first == "in":
            return
