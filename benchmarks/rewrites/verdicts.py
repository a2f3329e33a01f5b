"""A report on a pair with a planted fault -> whether the first region that it names holds the fault."""

import re
from typing import Any

import keras
import numpy as np

from .pairs import Fault, Network

EFFECT = 1e-6  # of the output's scale: what a fault must change to be one


def names_the_place(report: Any, net: Network, fault: Fault) -> bool:
    """Whether the faulty element is in the first region at fault: in its words, or between it and what is clean.

    Operators between layers have no name of their own: they belong to the step that they go into.
    """
    first = next((layer for layer in report.layers if layer.faults), None)
    if first is None:
        return any(_place(entry.path, net) == fault.place for entry in report.static)
    told = {int(number) for number in re.findall(r"\be(\d+)\b", f"{first.path} {first.note or ''}".replace("_", " "))}
    if fault.place in told:
        return True
    place = _place(first.path, net)
    inner = [layer for layer in report.layers if not layer.faults and layer.path != "output.middle"]
    between = [found for layer in inner if (found := _place(layer.path, net)) is not None]
    return place is not None and place >= fault.place and not any(fault.place <= each < place for each in between)


def _place(path: str, net: Network) -> int | None:
    """The element that a step is of, by its path."""
    if path.startswith("output"):
        return len(net.elements)
    found = re.match(r"(?:keras:)?e(\d+)", path)
    return int(found[1]) if found else None


def has_effect(net: Network, fault: Fault) -> bool:
    """Whether the fault changes any output of the Keras model on the pair's own inputs."""
    right, wrong = net.models()[1], net.models(fault)[1]
    rng = np.random.default_rng(net.seed)
    weights = [np.asarray(np.abs(rng.standard_normal(w.shape)) * 0.3 + 0.1, w.dtype) for w in right.get_weights()]
    x = net.inputs()
    given = [np.moveaxis(a, 1, -1) if a.ndim == 4 else a for a in (x if isinstance(x, tuple) else (x,))]
    outputs = []
    for model in (right, wrong):
        model.set_weights(weights)
        single = isinstance(model, keras.Sequential) or getattr(model, "_inputs", None) is not None
        made = (
            model(given[0] if len(given) == 1 else given, training=False) if single else model(*given, training=False)
        )
        outputs.append([keras.ops.convert_to_numpy(leaf) for leaf in keras.tree.flatten(made)])
    return any(_apart(a, b) for a, b in zip(*outputs, strict=True))


def _apart(a: Any, b: Any) -> bool:
    return bool(np.abs(a - b).max(initial=0) > EFFECT * (np.abs(a).max(initial=0) or 1))


def planted(net: Network) -> Fault | None:
    """One of the network's faults, by its seed."""
    faults = list(net.faults())
    return faults[int(np.random.default_rng([net.seed, 9]).integers(len(faults)))] if faults else None
