"""The padding that a layer must have -> the changes that give it: its own argument, or a layer or operation before it.

Keras's layers are told "same" or "valid", and "same" pads evenly only where the stride is 1; torch's are told pixels,
the same on both sides. Anything else is padded before.
"""

import math
from collections.abc import Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

from parity.models.edits import Change
from parity.models.kinds.settings import TRANSPOSED_PADDING, same_padding
from parity.models.kinds.signatures import signature
from parity.models.layers import LayerInfo
from parity.models.source import Sources, Written

from .arguments import Changes, Read, call_of, called, literal_of, with_arguments
from .around import Before, layer_after, put_before
from .settings import margins, sizes

PADS = {"constant": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}
Pairs = list[tuple[int, int]]  # before and after, for every spatial axis
Static = dict[str, Any]


def with_padding(written: Written, side: str, want: Any, own: Static, fill: float, read: Read) -> Changes | None:
    """The changes after which a layer pads as the other side's does: `want`, in torch's terms; `own`: its settings.

    fill: what the padding of its kind holds.
    """
    found = call_of(written.made, read)
    names = None if found is None else signature(called(*found), side)
    if found is None or names is None or "padding" not in names:
        return None
    has = literal_of(*found, names, "padding")
    if has is ...:
        return None
    told = _keras_word(want, own) if side == "keras" else _torch_pixels(want, own)
    if told is not None:
        none = own.get("padding") == _nothing(own)
        spread = has in (None, "valid", 0) and not none
        return None if spread else with_arguments(written.made, side, {"padding": told}, read)
    pairs = _pairs(want)
    if pairs is None or (has not in (None, "valid", "same", 0) and side == "keras"):
        return None
    before = (_keras_before if side == "keras" else _torch_before)(pairs, fill)
    around = put_before(written, before, read)
    if around is None:
        return None
    nothing = '"valid"' if side == "keras" else "0"
    kept = has in (None, "valid", 0)
    inner = None if kept else with_arguments(written.made, side, {"padding": nothing}, read)
    if not kept and (inner is None or inner[0].path != around[0].path):
        return None
    if kept and own.get("padding") != _nothing(own):
        return None  # it is padded by what stands elsewhere
    return around[0], [*(inner[1] if inner else []), *around[1]]


def cut(want: Any, info: LayerInfo | None, written: Written, read: Read) -> Changes | None:
    """The changes after which a transposed convolution of Keras's is cut as torch's, (before, after) on every axis."""
    if info is None:
        return None
    axes = len(want)
    for extra, word in product((None, 0, 1, 2), ("same", "valid")):
        layer = SimpleNamespace(
            kernel_size=info.static["kernel_size"],
            dilation_rate=info.static["dilation"],
            strides=info.static["stride"],
            padding=word,
            output_padding=None if extra is None else [extra] * axes,
        )
        if TRANSPOSED_PADDING.keras(layer) == want:
            arguments = {"padding": f'"{word}"'} | ({} if extra is None else {"output_padding": repr(extra)})
            return with_arguments(written.made, "keras", arguments, read)
    if min(min(pair) for pair in want) < 0:
        return None
    made = with_arguments(written.made, "keras", {"padding": '"valid"'}, read)
    found = call_of(written.made, read)
    layer_text = f"Cropping{axes}D({margins(want)})"
    behind = None if found is None else layer_after(*found, layer_text)
    return None if made is None or behind is None else (made[0], [*made[1], *behind])


def other_pad(made: Sources, mode: str, read: Read) -> Changes | None:
    """A padding layer of torch's that pads by another mode, by as many pixels."""
    found = call_of(made, read)
    if found is None or mode not in PADS:
        return None
    code, call = found
    name = called(code, call)
    new = next((PADS[mode] + name.removeprefix(own) for own in PADS.values() if name.startswith(own)), None)
    if new is None or not code.of_node(call.func).endswith(name):
        return None
    end = code.end(call.func)
    return code, [Change(end - len(name), end, new)]


def _nothing(own: Static) -> list[int]:
    return [0] * len(own["kernel_size"])


def _keras_word(want: Any, own: Static) -> str | None:
    """ "valid" or "same", where that is it."""
    if want == _nothing(own):
        return '"valid"'
    kernel, stride = own["kernel_size"], own["stride"]
    same = same_padding(kernel, stride, own.get("dilation", [1] * len(kernel)))
    return '"same"' if want in ("same", same) else None


def _torch_pixels(want: Any, own: Static) -> str | None:
    if want == "same":
        return '"same"' if set(own["stride"]) == {1} else None
    plain = isinstance(want, list) and all(isinstance(size, int) for size in want)
    return sizes(want) if plain else None


def _pairs(want: Any) -> Pairs | None:
    if not isinstance(want, list):
        return None
    return [(pad, pad) if isinstance(pad, int) else (pad[0], pad[1]) for pad in want]


def _keras_before(pairs: Pairs, fill: float) -> Before:
    width = f"({', '.join(map(str, [(0, 0), *pairs, (0, 0)]))})"
    value = "" if fill == 0 else f", constant_values={_float(fill)}"
    layer = f"ZeroPadding{len(pairs)}D({margins(pairs)})" if fill == 0 else None
    return Before(layer, ("keras.ops", f"{{}}.pad({{}}, {width}{value})"))


def _torch_before(pairs: Pairs, fill: float) -> Before:
    flat = tuple(size for pair in reversed(pairs) for size in pair)
    value = "" if fill == 0 else f", value={_float(fill)}"
    layer = f"ZeroPad{len(pairs)}d({flat})" if fill == 0 else f"ConstantPad{len(pairs)}d({flat}, {_float(fill)})"
    return Before(layer, ("torch.nn.functional", f"{{}}.pad({{}}, {flat}{value})"))


def _float(value: float) -> str:
    return f'{"-" if value < 0 else ""}float("inf")' if math.isinf(value) else repr(value)


def around_same(sizes_in: Sequence[int], own: Static) -> Pairs:
    """How TensorFlow's "same" pads an input of these sizes: the odd pixel behind."""
    kernel, stride = own["kernel_size"], own["stride"]
    dilation = own.get("dilation", [1] * len(kernel))
    totals = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(sizes_in, kernel, stride, dilation, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]
