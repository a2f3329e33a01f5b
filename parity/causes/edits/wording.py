"""The same operation as both programs write it -> the constants that one is to take from the other.

Settings are known under both frameworks' names, and an index of an image is read with the axes exchanged.
"""

import ast
from collections.abc import Iterator

from parity.models.edits import Change
from parity.models.kinds.spelling import ARGUMENTS, SLOPED

from .arguments import Changes
from .flow import Spot, flow, is_constant
from .naming import operation

FIRST, LAST = (0, 2, 3, 1), (0, 3, 1, 2)  # of torch's axes those of Keras's, and back
# Settings of functions that both frameworks have, and what they call them there.
SHARED: dict[str, dict[str, str]] = {
    "antialias": {"torch": "antialias", "keras": "antialias"},
    "interpolation": {"torch": "mode", "keras": "interpolation"},
    "approximate": {"torch": "approximate", "keras": "approximate"},
    "slope": {"torch": "negative_slope", "keras": "negative_slope"},
    "alpha": {"torch": "alpha", "keras": "alpha"},
}
WORDS = {"torch": {"True": "True"}, "keras": {'"tanh"': "True", '"none"': "False"}}  # that say the same


def as_written(mine: Spot, theirs: Spot, side: str) -> Iterator[Changes]:
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
    yield from _keywords(mine, node, theirs, twin, side)
    for own, new in _pairs(node, twin):
        texts = code.of_node(own), theirs.code.of_node(new)
        if texts[0] != texts[1] and is_known(mine, theirs, new) and is_known(mine, mine, own):
            yield Change(code.start(own), code.end(own), texts[1])


def _keywords(mine: Spot, node: ast.expr, theirs: Spot, twin: ast.expr, side: str) -> Iterator[Change]:
    """What one of the two alone tells a function, of what both frameworks call the same."""
    if not (isinstance(node, ast.Call) and isinstance(twin, ast.Call)) or isinstance(node.func, ast.Call):
        return
    ours, others = _told(node), _told(twin)
    for name in SHARED:
        if name in others and name not in ours and is_constant(others[name]):
            text = theirs.code.of_node(others[name])
            at = max(map(mine.code.end, [*node.args, *node.keywords]))
            yield Change(at, at, f", {SHARED[name][side]}={WORDS[side].get(text, text)}")
        elif name in ours and name in others:
            text, has = theirs.code.of_node(others[name]), mine.code.of_node(ours[name])
            text = WORDS[side].get(text, text)
            if text != has and is_constant(ours[name]) and is_constant(others[name]):
                yield Change(mine.code.start(ours[name]), mine.code.end(ours[name]), text)


def _told(call: ast.Call) -> dict[str, ast.expr]:
    """The shared settings that a call states, by their names here."""
    found = {name: k.value for k in call.keywords for name, own in SHARED.items() if k.arg in own.values()}
    if operation(call) in SLOPED and len(call.args) > 1:
        found |= {SLOPED[operation(call)]: call.args[1]}
    return found


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


def is_known(mine: Spot, theirs: Spot, node: ast.expr) -> bool:
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
