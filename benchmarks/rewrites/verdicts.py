"""A report on a pair with a planted fault -> whether the first region that it names holds the fault."""

import re
from typing import Any

import keras
import numpy as np
import torch

from .pairs import Fault, Network

EFFECT = 1e-5  # of the output's scale: what a fault must change to be one


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
    """Whether the faulty pair's outputs differ on its own inputs and weights: behind a dead branch no fault shows."""
    import parity
    from parity.frameworks.torch.side import TorchSide
    from parity.models.inputs import inputs_of

    ours, theirs = net.models(fault)
    x = net.inputs()
    TorchSide(ours).randomize(inputs_of(x), net.seed)
    parity.check(ours, theirs, x, weights="copy")  # which copies all that it knows a place for
    given = x if isinstance(x, tuple) else (x,)
    with torch.no_grad():
        outputs = keras.tree.flatten(ours(*map(torch.as_tensor, given)))
    lying = [np.moveaxis(a, 1, -1) if a.ndim == 4 else a for a in given]
    alone = len(lying) == 1 or net.style in ("functional", "sequential")
    made = theirs(lying[0] if len(lying) == 1 else lying, training=False) if alone else theirs(*lying, training=False)
    others = [keras.ops.convert_to_numpy(leaf) for leaf in keras.tree.flatten(made)]
    return any(_apart(np.sort(a.numpy(), None), np.sort(b, None)) for a, b in zip(outputs, others, strict=True))


def _apart(a: Any, b: Any) -> bool:
    return bool(np.abs(a - b).max(initial=0) > EFFECT * (np.abs(a).max(initial=0) or 1))


def planted(net: Network) -> Fault | None:
    """One of the network's faults, by its seed."""
    faults = list(net.faults())
    return faults[int(np.random.default_rng([net.seed, 9]).integers(len(faults)))] if faults else None
