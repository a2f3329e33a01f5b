"""What people get wrong in a pool: where and with what it is padded."""

from . import reference as ref
from .evidence import Changes, Config, Evidence


def pool_changes(evidence: Evidence, config: Config) -> Changes:
    static = config.static
    if config.kind == "max_pool":
        yield "max-pool pad value", {"pad_value": 0.0}, "pads the max pool with 0 instead of minus infinity"
    if isinstance(static["padding"], list):
        yield "asymmetric padding", {"padding": "same"}, 'pads as TensorFlow\'s "same" does, the odd pixel at the end'
        for pads in ref.all_pads([2 * p for p in static["padding"]]):
            yield "asymmetric padding", {"padding": pads}, f"pads {list(map(list, pads))} (before, after)"
            if config.kind == "max_pool":
                changes = {"padding": pads, "pad_value": 0.0}
                yield "max-pool pad value", changes, f"pads {list(map(list, pads))} with 0 instead of minus infinity"
