"""What two programs do at the same place, as expressions -> changes that may make one as the other, the best first.

What a cause says narrows them; that one mends is proven by a check.
"""

import ast
import math
from collections.abc import Callable, Iterator
from itertools import product

from parity.models.edits import Change
from parity.models.kinds.spelling import BOTH, FAMILIES, FUNCTIONAL, SIGNS, spelled

from .arguments import Changes
from .calls import HOMES, around, renamed
from .flow import Spot, flow, is_constant, is_layer, is_leaf, names_before, operands
from .naming import operation
from .wording import as_written, is_known

CASTS = (
    "half",
    "bfloat16",
    "float",
    "double",
    "long",
    "int",
    "to",
    "cast",
    "astype",
    "type",
    "round",
    "trunc",
    "floor",
)
FLIPS = ("flip", "getitem", "index_select", "flipud", "fliplr", "reverse", "gather", "take")
FLIPPED = {"torch": "{}.flip(1)", "keras": "{}[..., ::-1]"}
AXES = ("dim", "axis")
TINY = 1e-12  # an offset that is rounding


def likely(about: str, mine: Spot | None, theirs: Spot | None, side: str) -> Iterator[Changes]:
    """about: the cause's name. mine: where the side that is edited has it; theirs: the other's."""
    if mine is None:
        return
    if "channel order" in about:
        yield from _without(mine, lambda node: operation(node) in FLIPS)
        yield from around(mine, _fed(mine), FLIPPED[side], side)
        return
    if any(word in about for word in ("precision", "whole numbers")):
        yield from _without(mine, lambda node: operation(node) in CASTS)
        return
    if "order" in about or "shortcut" in about:
        yield from _sum_elsewhere(mine)
    if theirs is not None:
        yield from as_written(mine, theirs, side)
        yield from _other_operators(mine, theirs)
        yield from _other_functions(mine, theirs, side)
    if "axis" in about:
        yield from _other_axes(mine)
    if "padding mode" in about:
        yield from _other_mode(mine, theirs)
    more, less = _alone(mine, theirs), [] if theirs is None else _alone(theirs, mine)
    yield from _without(mine, lambda node: any(node is one for one in more))
    if theirs is not None:
        for node in less:
            yield from _with_operator(mine, theirs, node, side)


def _fed(spot: Spot) -> ast.expr:
    """What a layer is called on, of a layer's call; else the expression itself."""
    node = spot.node
    return node.args[0] if isinstance(node, ast.Call) and is_layer(node) and node.args else node


def _alone(one: Spot, other: Spot | None) -> list[ast.expr]:
    """The operations of one expression that the other has none for."""
    left = [] if other is None else [operation(node) for node in flow(other) if not is_leaf(other.code, node)]
    found = []
    for node in flow(one):
        name = operation(node)
        if is_leaf(one.code, node) or not name:
            continue
        if name in left:
            left.remove(name)
        else:
            found.append(node)
    return found


def _without(spot: Spot, chosen: Callable[[ast.expr], bool]) -> Iterator[Changes]:
    """An operation left out: what it is done to stays, the first of two tensors or the second."""
    code = spot.code
    nodes = [node for node in flow(spot) if chosen(node) and operands(node)]
    for node in nodes:
        inner = node
        while chosen(inner) and (given := operands(inner)):
            inner = given[0]
        yield code, [Change(code.start(node), code.end(node), code.of_node(inner))]
        for other in operands(node)[1:2]:
            yield code, [Change(code.start(node), code.end(node), code.of_node(other))]


def _other_axes(mine: Spot) -> Iterator[Changes]:
    """The axis of the last function that has one, any other."""
    for node in flow(mine):
        call = node.func if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) else node
        own = next((k.value for k in getattr(call, "keywords", ()) if k.arg in AXES), None)
        if own is None and isinstance(node, ast.Call) and len(node.args) > 1:
            own = node.args[1]
        if own is not None and is_constant(own) and not isinstance(own, ast.Tuple | ast.List):
            has = mine.code.of_node(own)
            for axis in ("-1", "1", "2", "-2", "3"):
                if axis != has:
                    yield mine.code, [Change(mine.code.start(own), mine.code.end(own), axis)]
            return


def _other_mode(mine: Spot, theirs: Spot | None) -> Iterator[Changes]:
    """What a function pads with, as the other program says."""
    twin = next((node for node in (flow(theirs) if theirs else ()) if operation(node) == "pad"), None)
    wanted = next((k.value for k in twin.keywords if k.arg == "mode"), None) if isinstance(twin, ast.Call) else None
    for node in flow(mine):
        if operation(node) != "pad" or not isinstance(node, ast.Call) or not node.args:
            continue
        own = next((k.value for k in node.keywords if k.arg == "mode"), None)
        text = '"constant"' if wanted is None or theirs is None else theirs.code.of_node(wanted)
        if own is None:
            at = max(map(mine.code.end, [*node.args, *node.keywords]))
            yield mine.code, [Change(at, at, f", mode={text}")]
        else:
            yield mine.code, [Change(mine.code.start(own), mine.code.end(own), text)]


def _sum_elsewhere(mine: Spot) -> Iterator[Changes]:
    """A sum behind a layer, or a function, before it, or the other way round: `norm(x) + y` and `norm(x + y)`."""
    code = mine.code
    for node in flow(mine):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            for call, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(call, ast.Call) and call.args:
                    inner, end = call.args[0], code.end(call)
                    head = code.data[code.start(call) : code.start(inner)].decode()
                    tail = code.data[code.end(inner) : end].decode()
                    made = f"{head}{code.of_node(inner)} + {code.of_node(other)}{tail}"
                    yield code, [Change(code.start(node), code.end(node), made)]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.BinOp):
            added = node.args[0]
            if isinstance(added.op, ast.Add):
                head = code.data[code.start(node) : code.start(added)].decode()
                tail = code.data[code.end(added) : code.end(node)].decode()
                for inner, other in ((added.left, added.right), (added.right, added.left)):
                    made = f"{head}{code.of_node(inner)}{tail} + {code.of_node(other)}"
                    yield code, [Change(code.start(node), code.end(node), made)]


def _other_operators(mine: Spot, theirs: Spot) -> Iterator[Changes]:
    """An operator for another, where both have as many."""
    ours, others = ([node for node in flow(spot) if isinstance(node, ast.BinOp)] for spot in (mine, theirs))
    for node, twin in zip(ours, others, strict=False):
        has, wanted = SIGNS.get(operation(node)), SIGNS.get(operation(twin))
        between = mine.code.data[mine.code.end(node.left) : mine.code.start(node.right)].decode()
        if has and wanted and has != wanted and between.count(has) == 1:
            at = mine.code.end(node.left) + len(between[: between.index(has)].encode())
            yield mine.code, [Change(at, at + len(has), wanted)]


def _other_functions(mine: Spot, theirs: Spot, side: str) -> Iterator[Changes]:
    """A function for another that is done to as many tensors."""
    for node in _alone(mine, theirs):
        for twin in _alone(theirs, mine):
            family = next((names for names in FAMILIES if operation(node) in names and operation(twin) in names), None)
            if family is not None:
                yield from renamed(mine, node, operation(twin), side)


def _with_operator(mine: Spot, theirs: Spot, node: ast.expr, side: str) -> Iterator[Changes]:
    """An operator that the other program has more: with a number, or with a tensor of a name that this one has."""
    if isinstance(node, ast.Call) and operation(node) in BOTH:
        yield from around(mine, mine.node, _function(theirs, node, side), side)
    if operation(node) not in SIGNS or not isinstance(node, ast.BinOp | ast.Call):
        return
    each = [node.left, node.right] if isinstance(node, ast.BinOp) else operands(node)
    sign, known = SIGNS[operation(node)], set(names_before(mine.code, mine.node)) | {"self"}
    has = {mine.code.of_node(x) for one in flow(mine) for x in operands(one)}
    targets = [mine.node, *operands(mine.node)]
    for target, (number, operand) in product(targets, enumerate(each[:2])):
        names = {x.id for x in ast.walk(operand) if isinstance(x, ast.Name)}
        text = _turned(theirs.code.of_node(operand), side)
        here = is_known(mine, theirs, operand) or (names <= known and not is_layer(operand) and text not in has)
        if here and target is not operand:
            whole = f"{text} {sign} {{}}" if number == 0 and target is mine.node else f"{{}} {sign} {text}"
            yield from around(mine, target, whole, side)


def _turned(text: str, side: str) -> str:
    """An index that gives a vector of channels the axes of an image, which Keras has last."""
    first, last = "[:, :, None, None]", "[:, None, None, :]"
    return text.replace(first, last) if side == "keras" else text.replace(last, first).replace("[:, None, None]", first)


def _function(theirs: Spot, node: ast.Call, side: str) -> str:
    """A function of one tensor as the other framework writes it, along the same axis."""
    axis = next((k.value for k in node.keywords if k.arg in AXES), None)
    if axis is None and len(operands(node)) < len(node.args):
        axis = next((one for one in node.args if isinstance(one, ast.Constant)), None)
    argument = "" if axis is None else f", {'axis' if side == 'keras' else 'dim'}={theirs.code.of_node(axis)}"
    home = "torch.nn.functional" if side == "torch" and operation(node) in FUNCTIONAL else HOMES[side]
    return f"{home}.{spelled(operation(node), side)}({{}}{argument})"


def scaled(scale: float, offset: float, mine: Spot, side: str) -> Iterator[Changes]:
    """Keras's tensor is torch's times a number, and another more: so that both are the one or the other."""
    if not scale or not math.isfinite(scale):
        return
    text = "{}"
    if side == "torch":
        text = f"{text}{_times(scale)}{_plus(offset)}"
    else:
        text = f"{text}{_plus(-offset)}"
        text = f"({text}){_times(1 / scale)}" if text != "{}" and _times(scale) else f"{text}{_times(1 / scale)}"
    yield from around(mine, mine.node, text, side)


def _times(number: float) -> str:
    """Multiplied by a number, or divided by its inverse, whichever is the shorter."""
    ways = [(f"{value:.12g}", sign) for value, sign in ((number, "*"), (1 / number, "/"))]
    text, sign = min(ways, key=lambda way: len(way[0]))
    return "" if text == "1" else f" {sign} {text}"


def _plus(number: float) -> str:
    text = f"{abs(number):.12g}"
    return "" if abs(number) < TINY else f" {'+' if number > 0 else '-'} {text}"


def exchanged(one: Spot, other: Spot) -> Iterator[Changes]:
    """Two calls that have changed places: each is done to what the other was done to."""
    a, b = one.node, other.node
    if not (isinstance(a, ast.Call) and isinstance(b, ast.Call) and one.code.path == other.code.path):
        return
    if not (a.args and b.args):
        return
    code = one.code
    heads = [(code.start(x), code.start(x.args[0])) for x in (a, b)]
    tails = [(code.end(x.args[0]), code.end(x)) for x in (a, b)]
    texts = [[code.data[start:end].decode() for start, end in spans] for spans in (heads, tails)]
    changes = []
    for spans, own in ((heads, texts[0]), (tails, texts[1])):
        changes += [Change(*spans[0], own[1]), Change(*spans[1], own[0])]
    yield code, changes


def listed_otherwise(one: Spot, other: Spot) -> Iterator[Changes]:
    """Two layers of a list that have changed places."""
    if one.code.path == other.code.path and one.code.up(one.node) is other.code.up(other.node) is not None:
        code = one.code
        yield (
            code,
            [
                Change(code.start(one.node), code.end(one.node), other.text),
                Change(code.start(other.node), code.end(other.node), one.text),
            ],
        )
