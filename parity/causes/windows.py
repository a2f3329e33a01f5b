"""What people get wrong in a window that slides, a row a cause: padding, dilation, stride -> the changes to try."""

from parity.models.kinds.formulas import MODES

from .evidence import Changes, Config, Evidence, Row
from .rerun import all_pads
from .settings import CUT


def _is_padded(config: Config) -> bool:
    return config.kind.padded is not None and "padding" in config.static


def _is_padded_otherwise(config: Config) -> bool:
    """With another number than 0."""
    return _is_padded(config) and config.kind.padded != 0


def _pads_zero(evidence: Evidence, config: Config) -> Changes:
    yield {"pad_value": 0.0}, "pads the max pool with 0 instead of minus infinity"


def _pads_otherwise(evidence: Evidence, config: Config) -> Changes:
    for mode in MODES:
        yield {"padding_mode": mode}, f"pads its input by another padding mode, {mode}, and not with zeros"


def _cut_elsewhere(evidence: Evidence, config: Config) -> Changes:
    totals = [sum(cut) for cut in config.static["transposed_padding"]]
    for cuts in all_pads([max(0, total) + 2 for total in totals]):  # from 1 before what it must be, to 1 behind
        moved = [[before - 1, total - before + 1] for (before, _), total in zip(cuts, totals, strict=True)]
        yield {"transposed_padding": moved}, f"cuts {moved} pixels (before, after) off its full output"


def _pads_unevenly(evidence: Evidence, config: Config) -> Changes:
    padding, size = config.static["padding"], config.static["kernel_size"]
    if padding == "same":
        around = [k // 2 for k in size]
        yield {"padding": around}, f"pads {around} on both sides"
    elif size[-1] > 1:
        yield {"padding": "same"}, 'pads as TensorFlow\'s "same" does, the odd pixel at the end'
        for pads in all_pads(_totals(padding)):
            yield {"padding": pads}, f"pads {list(map(list, pads))} (before, after)"
        yield from _pads_more(evidence, config)


def _pads_more(evidence: Evidence, config: Config) -> Changes:
    """Other totals, as the outputs' sizes tell them apart, and images that are moved; of many axes, alike on all."""
    sizes = evidence.torch.shape[2:], evidence.keras.shape[2:]
    if len(sizes[0]) != len(sizes[1]) or len(sizes[0]) != len(config.static["stride"]):
        return
    told = [*zip(_totals(config.static["padding"]), *sizes, config.static["stride"], strict=True)]
    for sign in {0} if sizes[0] == sizes[1] else {1, -1}:
        for more in range(config.static["stride"][0]):
            totals = [total + sign * (one - other) * stride + more for total, one, other, stride in told]
            reach = max(config.static["kernel_size"]) - 1
            for moved in range(-reach, max(totals) + reach + 1):
                pads = [(moved, total - moved) for total in totals]
                yield {"padding": pads}, f"pads {list(map(list, pads))} (before, after)"


def _pads_zero_unevenly(evidence: Evidence, config: Config) -> Changes:
    if config.static["padding"] != "same":
        for pads in all_pads(_totals(config.static["padding"])):
            changes = {"padding": pads, "pad_value": 0.0}
            yield changes, f"pads {list(map(list, pads))} with 0 instead of minus infinity"


def _totals(padding: list[int | list[int]]) -> list[int]:
    """How much is padded on both sides together."""
    return [sum(p) if isinstance(p, list | tuple) else 2 * p for p in padding]


def _dilated(evidence: Evidence, config: Config) -> Changes:
    for dilation in (1, 2, 3, 4):
        pads = [dilation * (k - 1) // 2 for k in config.static["kernel_size"]]
        yield {"dilation": [dilation] * len(pads)}, f"dilates by {dilation}"
        yield {"dilation": [dilation] * len(pads), "padding": pads}, f"dilates by {dilation}"


def _strided(evidence: Evidence, config: Config) -> Changes:
    for stride in (1, 2):
        yield {"stride": [stride] * len(config.static["stride"])}, f"strides by {stride}"


WINDOWS = (
    Row("max-pool pad value", _is_padded_otherwise, _pads_zero),
    Row("asymmetric padding", _is_padded, _pads_unevenly),
    Row("max-pool pad value", _is_padded_otherwise, _pads_zero_unevenly),
    Row("padding mode", lambda config: _is_padded(config) and config.kind.sums, _pads_otherwise),
    Row(CUT, lambda config: "transposed_padding" in config.static, _cut_elsewhere),
    Row("wrong dilation", lambda config: "dilation" in config.static, _dilated),
    Row("stride on the wrong convolution", lambda config: "stride" in config.static and config.kind.sums, _strided),
)
