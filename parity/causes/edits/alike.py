"""What two programs do at the same place, as expressions -> changes that may make one as the other, the best first.

What a cause says narrows them; that one mends is proven by a check.
"""

import ast
from collections.abc import Callable, Iterator

from parity.models.edits import Change

from .arguments import Changes
from .calls import HOMES, around
from .flow import Spot, flow, is_constant, is_layer, is_leaf, names_before, operands
from .naming import ARGUMENTS, SIGNS, operation, spelled

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
FUNCTIONAL = ("normalize", "relu6", "silu", "gelu", "elu", "hardswish", "hardsigmoid", "softplus", "log_softmax")
BOTH = (
    *FUNCTIONAL,
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "exp",
    "log",
    "sqrt",
    "abs",
    "square",
    "cumsum",
    "log1p",
    "expm1",
)
TINY = 1e-12  # an offset that is rounding
FIRST, LAST = (0, 2, 3, 1), (0, 3, 1, 2)  # of torch's axes those of Keras's, and back


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
    if theirs is not None:
        yield from _as_written(mine, theirs, side)
        yield from _other_operators(mine, theirs)
    if "padding mode" in about:
        yield from _other_mode(mine, theirs)
    if "order" in about or "shortcut" in about:
        yield from _sum_elsewhere(mine)
    more, less = _alone(mine, theirs), [] if theirs is None else _alone(theirs, mine)
    yield from _without(mine, lambda node: any(node is one for one in more))
    for node in less if theirs is not None else ():
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


def _as_written(mine: Spot, theirs: Spot, side: str) -> Iterator[Changes]:
    """The constants that the other program writes in the same operation: all of one operation at a time."""
    rest = [node for node in flow(theirs) if operation(node)]
    for node in flow(mine):
        twin = next((other for other in rest if operation(other) == operation(node)), None)
        if twin is None:
            continue
        rest.remove(twin)
        changes = [*_constants(mine, node, theirs, twin, side)]
        if changes:
            yield mine.code, changes


def _constants(mine: Spot, node: ast.expr, theirs: Spot, twin: ast.expr, side: str) -> Iterator[Change]:
    code = mine.code
    if isinstance(node, ast.Subscript) and isinstance(twin, ast.Subscript):
        ours, other = _index(mine, node.slice), _index(theirs, twin.slice)
        if len(ours) == len(other) == 4:
            other = [other[axis] for axis in (FIRST if side == "keras" else LAST)]
        if len(ours) == len(other) and ours != other:
            yield Change(code.start(node.slice), code.end(node.slice), ", ".join(other))
        return
    for own, new in _pairs(node, twin):
        texts = code.of_node(own), theirs.code.of_node(new)
        if texts[0] != texts[1] and _known(mine, theirs, new) and _known(mine, mine, own):
            yield Change(code.start(own), code.end(own), texts[1])


def _index(spot: Spot, node: ast.expr) -> list[str]:
    return [spot.code.of_node(one) for one in (node.elts if isinstance(node, ast.Tuple) else [node])]


def _pairs(node: ast.expr, twin: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What both are told that is no tensor."""
    if isinstance(node, ast.BinOp) and isinstance(twin, ast.BinOp):
        yield from ((node.left, twin.left), (node.right, twin.right))
    elif isinstance(node, ast.Compare) and isinstance(twin, ast.Compare):
        yield from zip((node.left, *node.comparators), (twin.left, *twin.comparators), strict=False)
    elif isinstance(node, ast.Call) and isinstance(twin, ast.Call):
        named = {ARGUMENTS.get(k.arg or "", k.arg or ""): k.value for k in twin.keywords}
        for keyword in node.keywords:
            new = named.get(ARGUMENTS.get(keyword.arg or "", keyword.arg or ""))
            if new is not None:
                yield keyword.value, new


def _known(mine: Spot, theirs: Spot, node: ast.expr) -> bool:
    """Whether an expression is made of numbers, and of constants that the edited file has."""
    if is_constant(node):
        return True
    bound = {
        t.id for x in mine.code.tree.body if isinstance(x, ast.Assign) for t in ast.walk(x) if isinstance(t, ast.Name)
    }
    bound |= {"math", "np", "sqrt"} & mine.code.imports.keys()
    names = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
    return names <= bound and all(
        isinstance(
            x,
            ast.Name
            | ast.expr_context
            | ast.Constant
            | ast.BinOp
            | ast.operator
            | ast.Call
            | ast.Attribute
            | ast.UnaryOp
            | ast.unaryop,
        )
        for x in ast.walk(node)
    )


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


def _with_operator(mine: Spot, theirs: Spot, node: ast.expr, side: str) -> Iterator[Changes]:
    """An operator that the other program has more: with a number, or with a tensor of a name that this one has."""
    if isinstance(node, ast.Call) and operation(node) in BOTH:
        yield from around(mine, mine.node, _function(theirs, node, side), side)
    if not isinstance(node, ast.BinOp) or operation(node) not in SIGNS:
        return
    sign, known = SIGNS[operation(node)], set(names_before(mine.code, mine.node)) | {"self"}
    for number, operand in enumerate((node.left, node.right)):
        names = {x.id for x in ast.walk(operand) if isinstance(x, ast.Name)}
        here = _known(mine, theirs, operand) or (names <= known and not is_layer(operand))
        if here:
            text = theirs.code.of_node(operand)
            whole = f"{text} {sign} {{}}" if number == 0 else f"{{}} {sign} {text}"
            yield from around(mine, mine.node, whole, side)


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
