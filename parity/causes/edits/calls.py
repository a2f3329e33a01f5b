"""torch's call and the change that makes of it what Keras's program does -> the changes of either program's text.

torch's is changed so; in Keras's the operation of the same name is given what torch's has.
"""

import ast
from collections.abc import Iterator
from typing import Any

from parity.models.calls import Call, Edit
from parity.models.edits import Change
from parity.models.kinds.spelling import ARGUMENTS, SIGNS, canonical, spelled
from parity.models.source import Written

from .arguments import Changes, Read
from .flow import Spot, bound_before, flow, is_constant, made_at, operands, spot_at
from .naming import operation

HEADS = ("num_heads", "num_head")
AXES = ("dim", "axis", "dims")
HOMES = {"torch": "torch", "keras": "keras.ops"}


def as_called(pairs: tuple[tuple[Call, Edit], ...], written: Written, side: str, read: Read) -> Iterator[Changes]:
    """What the edits of torch's calls say of one side's program, the likeliest first."""
    each = [list((_in_torch if side == "torch" else _in_keras)(call, edit, written, read)) for call, edit in pairs]
    heads = next((pair for pair in pairs if pair[1].name in HEADS and pair[1].what == "argument"), None)
    if len(pairs) > 2:
        return  # one line, or several: which is not known
    if heads is not None:
        yield from _heads(*heads, written, side, read)
    elif len(each) == 1:
        yield from each[0]
    elif all(each) and len({found[0][0].path for found in each}) == 1:
        yield each[0][0][0], [change for found in each for change in found[0][1]]


def _heads(call: Call, edit: Edit, written: Written, side: str, read: Read) -> Iterator[Changes]:
    """The number of heads of an attention layer, where it is made; Keras is also told how wide each is."""
    spot = spot_at(call.called if side == "torch" else written.called, read)
    had = int(dict(call.arguments)[edit.name])
    other, wanted = (had, int(edit.value)) if side == "torch" else (int(edit.value), had)
    for node in flow(spot) if spot is not None else ():
        made = made_at(spot.code, node) if spot is not None else None
        if spot is None or made is None or "multihead" not in operation(ast.Call(made.func, [], [])):
            continue
        names = ("embed_dim", "num_heads") if side == "torch" else ("num_heads", "key_dim", "value_dim")
        changes = []
        for name, text in (("num_heads", str(wanted)), ("key_dim", None), ("value_dim", None)):
            place = names.index(name) if name in names else len(made.args)
            given = next((k.value for k in made.keywords if k.arg == name), None)
            given = made.args[place] if given is None and place < len(made.args) else given
            if isinstance(given, ast.Constant) and isinstance(given.value, int):
                new = text or str(given.value * other // wanted)
                changes.append(Change(spot.code.start(given), spot.code.end(given), new))
        if changes:
            yield spot.code, changes


def _in_torch(call: Call, edit: Edit, written: Written, read: Read) -> Iterator[Changes]:
    spot = spot_at(call.called, read)
    if spot is None or (operation(spot.node) != canonical(call.name) and edit.what != "then"):
        return
    code, node = spot
    given = operands(node)
    if edit.what == "argument":
        yield from _with_argument(spot, call, edit.name, [edit.value])
    elif edit.what == "skip" and edit.value < len(given):
        yield code, _put(spot, node, code.of_node(given[edit.value]))
    elif edit.what == "swap" and len(given) > 1:
        yield code, _exchanged(spot, given[0], given[1])
    elif edit.what == "function":
        yield from renamed(spot, node, edit.name, "torch")
    elif edit.what == "reduce" and given:
        yield code, _put(spot, node, f"{_tight(code.of_node(given[0]), given[0])}.{edit.name}({edit.value})")
    elif edit.what == "given" and edit.value < len(given):
        yield from around(spot, given[edit.value], f"torch.{edit.name}({{}})", "torch")
    elif edit.what == "take" and given:
        yield code, _put(spot, node, f"{_tight(code.of_node(given[0]), given[0])}.select({edit.name}, {edit.value})")
    elif edit.what == "then":
        yield from around(spot, node, f"torch.{edit.name}({{}})", "torch")


def _in_keras(call: Call, edit: Edit, written: Written, read: Read) -> Iterator[Changes]:
    spot = spot_at(written.called, read)
    if spot is None:
        return
    code, had = spot.code, dict(call.arguments)
    wanted = edit.name if edit.what in ("function", "then", "reduce") else call.name
    wanted = "getitem" if edit.what == "take" else wanted
    for node in flow(spot):
        given = operands(node)
        if operation(node) != canonical(wanted):
            continue
        at = Spot(code, node)
        if edit.what == "argument":
            yield from _with_argument(
                at, call, edit.name, _axes(had[edit.name]) if edit.name in AXES else [had[edit.name]]
            )
        elif edit.what == "swap" and len(given) > 1:
            yield code, _exchanged(at, given[0], given[1])
        elif edit.what == "function":
            yield from renamed(at, node, canonical(call.name), "keras")
        elif edit.what == "given" and edit.value < len(given):
            inner = given[edit.value]
            if isinstance(inner, ast.Name):
                bound = bound_before(code, inner)
                inner = inner if bound is None else bound
            if operation(inner) == canonical(edit.name) and operands(inner):
                yield code, _put(at, inner, code.of_node(operands(inner)[0]))
        elif edit.what == "then" and given:
            yield code, _put(at, node, code.of_node(given[0]))
        elif edit.what == "reduce" and given:
            index = next((value for name, value in call.arguments if name in ("idx", "argument 1")), None)
            yield code, _put(at, node, f"{_tight(code.of_node(given[0]), given[0])}[{_index(index)}]")
        elif edit.what == "take" and given:
            function = f"keras.ops.{spelled(canonical(call.name), 'keras')}({{}}, axis={edit.name})"
            yield from around(Spot(code, given[0]), given[0], function, "keras", node)
    if edit.what == "skip":
        yield from _more(spot, call, had)


def _more(spot: Spot, call: Call, had: dict[str, Any]) -> Iterator[Changes]:
    """What torch does more: by a number, or to one tensor."""
    name, value = canonical(call.name), next((v for v in had.values() if isinstance(v, int | float)), None)
    if name in SIGNS and call.tensors == 1 and value is not None and not isinstance(value, bool):
        yield from around(spot, spot.node, f"{{}} {SIGNS[name]} {value!r}", "keras")
    elif call.tensors == 1 and not any(isinstance(v, int | float) for v in had.values()):
        yield from around(spot, spot.node, f"keras.ops.{spelled(name, 'keras')}({{}})", "keras")


def around(spot: Spot, node: ast.expr, text: str, side: str, place: ast.expr | None = None) -> Iterator[Changes]:
    """An operation done to an expression. text: with {} in its place, and with the framework's full name.

    place: what that stands in the place of, if not of the expression.
    """
    home = HOMES[side]
    bound = spot.code.bound(home)
    imports = [] if bound or home not in text else [spot.code.imported(home.partition(".")[0])]
    own = spot.code.of_node(node)
    own = own if "({}" in text else _tight(own, node)
    yield spot.code, [*imports, *_put(spot, place or node, text.format(own).replace(home, bound or home, 1))]


def _put(spot: Spot, node: ast.expr, text: str) -> list[Change]:
    return [Change(spot.code.start(node), spot.code.end(node), text)]


def _exchanged(spot: Spot, one: ast.expr, other: ast.expr) -> list[Change]:
    code = spot.code
    return [
        Change(code.start(one), code.end(one), code.of_node(other)),
        Change(code.start(other), code.end(other), code.of_node(one)),
    ]


def _tight(text: str, node: ast.expr) -> str:
    """An expression as an operand."""
    return f"({text})" if isinstance(node, ast.BinOp | ast.Compare | ast.UnaryOp | ast.IfExp) else text


def _axes(value: Any) -> list[Any]:
    """An axis of torch's as Keras may have it: as it is, and where channels are last."""
    last = {1: -1, -3: -1, 2: 1, -2: 2, 3: 2, -1: 2}
    return [value, last[value]] if isinstance(value, int) and value in last else [value]


def _with_argument(spot: Spot, call: Call, name: str, values: list[Any]) -> Iterator[Changes]:
    """An argument that is a constant, or not written, given another value."""
    code, node = spot
    target = _argument(spot, call, name)
    for value in values:
        text = _index(value) if isinstance(node, ast.Subscript) else literal(value)
        if target is not None and _may_be_written(spot, target):
            yield code, _put(spot, target, text)
        elif target is None and isinstance(node, ast.Call) and not isinstance(node.func, ast.Call):
            own = ARGUMENTS.get(name, name) if code.stands_for(node.func).startswith("keras") else name
            given = [*node.args, *node.keywords]
            if given:
                at = max(map(code.end, given))
                yield code, [Change(at, at, f", {own}={text}")]


def _may_be_written(spot: Spot, target: ast.expr) -> bool:
    """A constant, or an expression of numbers alone: not a tensor that was computed."""
    names = [x for x in ast.walk(target) if isinstance(x, ast.Name)]
    return is_constant(target) or not any(bound_before(spot.code, name) is not None for name in names)


def _argument(spot: Spot, call: Call, name: str) -> ast.expr | None:
    """The expression that an argument of torch's is written as."""
    node = spot.node
    if isinstance(node, ast.Subscript):
        return node.slice
    if isinstance(node, ast.BinOp):
        tensors = operands(node)
        return node.right if node.left in tensors and (node.right not in tensors or len(tensors) > 1) else node.left
    if not isinstance(node, ast.Call):
        return None
    own = {name, ARGUMENTS.get(name, name)}
    by_name = next((keyword.value for keyword in node.keywords if keyword.arg in own), None)
    if by_name is not None:
        return by_name
    first = operands(node)[:1]
    method = bool(first) and isinstance(node.func, ast.Attribute) and first[0] is node.func.value
    place = (
        call.names.index(name) - method
        if name in call.names
        else int(name.rpartition(" ")[2]) - method
        if name.startswith("argument ")
        else -1
    )
    return node.args[place] if 0 <= place < len(node.args) else None


def renamed(spot: Spot, node: ast.expr, name: str, side: str) -> Iterator[Changes]:
    """Another operator, or another function of the same arguments."""
    code, new = spot.code, canonical(name)
    if isinstance(node, ast.BinOp):
        if new in SIGNS:
            start, end = code.end(node.left), code.start(node.right)
            between, has = code.data[start:end].decode(), SIGNS[operation(node)]
            if between.count(has) == 1:
                at = start + len(between[: between.index(has)].encode())
                yield code, [Change(at, at + len(has), SIGNS[new])]
        else:
            home = code.bound(HOMES[side]) or HOMES[side]
            one, other = code.of_node(node.left), code.of_node(node.right)
            yield code, _put(spot, node, f"{home}.{spelled(new, side)}({one}, {other})")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        end = code.end(node.func)
        if new in SIGNS and len(node.args) == 2:
            one, other = (_tight(code.of_node(x), x) for x in node.args)
            yield code, _put(spot, node, f"({one} {SIGNS[new]} {other})")
        else:
            yield code, [Change(end - len(node.func.attr.encode()), end, spelled(new, side))]


def literal(value: Any) -> str:
    """A number, a word or several as they are written."""
    return repr(value).replace("'", '"') if isinstance(value, str) else repr(value)


def _index(value: Any) -> str:
    """An index as it is written between brackets."""
    if isinstance(value, tuple | list):
        return ", ".join(map(_index, value)) + ("," if len(value) == 1 else "")
    if isinstance(value, slice):
        start, stop, step = ("" if end is None else repr(end) for end in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if value is ... else literal(value)
