"""A program with a fault in it, as text, and perhaps a fault of its weights -> what a check says, and whether it mends.

`python -m benchmarks.planting JSON` plants a list of lists of faults, by the names of `planted.py` and `reported.py`.
"""

import json
import linecache
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

Tensors = dict[str, np.ndarray[Any, Any]]  # of a layer, by torch's names and in torch's layout
Layers = dict[str, Tensors]
LAST = ("tanh", "head", "fc", "fc3")  # of a layer that is left out behind all others, the output is at fault


@dataclass(frozen=True)
class Carried:
    """A fault of weights: of that side's layer, what its tensors are changed to; None where it has no such tensors."""

    side: str
    layer: str
    change: Callable[[Tensors, Layers], Tensors | None]


@dataclass(frozen=True)
class Planted:
    """What is planted. text: of a program with both models. expected: the layer and the cause of each fault, regexes.

    side: the one that is to be mended.
    """

    names: tuple[str, ...]
    text: str
    side: str
    expected: tuple[tuple[str, str], ...]
    carried: tuple[Carried, ...] = ()


def check(planted: Planted) -> dict[str, Any]:
    """Plant and check: what was right of what was told. others: that no innocent layer was accused."""
    from parity.checks.copy import Copy
    from parity.checks.mending import mended
    from parity.checks.options import Options
    from parity.errors import ParityError

    told: dict[str, Any] = dict.fromkeys(("caught", "first", "cause", "others", "mended"), False)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        path = Path(folder) / "net.py"
        path.write_text(planted.text)
        reports: list[Any] = []

        def checked(options: Options) -> Any:
            try:
                report = _report(planted, str(path), options)
            except Exception as error:
                if not reports or isinstance(error, ParityError):
                    raise
                raise ParityError(f"the edited program does not run: {error}") from error
            reports.append(report)
            return report

        options = Options("float32", weights="keep" if planted.carried else "copy", copy=Copy(planted.side))
        try:
            found = mended(checked, options)
        except (ParityError, KeyError) as error:
            if not reports:
                return told | {"told": f"refused: {str(error)[:300]}"}
            return told | judged(planted, reports[0]) | {"told": f"mending refused: {str(error)[:300]}"}
        edits = " | ".join(f"{edit.before!r} -> {edit.after!r}" for edit, _ in found.edits)
        refused = " | ".join(f"{edit.before!r} -> {edit.after!r}" for edit, _ in found.refused)
        return judged(planted, reports[0]) | {"mended": found.ok, "edits": edits, "refused": refused}


def _report(planted: Planted, path: str, options: Any) -> Any:
    """One check of the program, with the texts that the options have in place of its own."""
    from parity.checks.forward import compare_sides
    from parity.frameworks.keras.side import KerasSide
    from parity.models.inputs import inputs_of
    from parity.runners.local import LocalRunner
    from parity.runners.recording import Shelf

    torch_side, module, x = pair(dict(options.copy.texts).get(path, planted.text), path)
    model = module.keras_model()
    if planted.carried and options.weights == "keep":
        _carry(planted, torch_side, model, x)
    keras_side = KerasSide(model)
    shelf = Shelf()
    sides = (LocalRunner(side, shelf, type(side.model).__name__) for side in (torch_side, keras_side))
    return compare_sides("net", inputs_of(x), *sides, options, lambda text, done, total: None)


def pair(text: str, path: str) -> tuple[Any, SimpleNamespace, Any]:
    """torch's side with random statistics, the module, and what both run on."""
    import keras
    import torch

    from parity.frameworks.torch.side import TorchSide

    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    linecache.cache[path] = len(text), None, text.splitlines(keepends=True), path
    module: dict[str, Any] = {"__name__": "net"}
    exec(compile(text, path, "exec"), module)
    side = TorchSide(module["Torch"]())
    draw = np.random.default_rng(0)
    x = module["X"] if "X" in module else draw.standard_normal((3, *module["SHAPE"])).astype(np.float32)
    side.randomize(x.astype(np.float64) if x.dtype.kind == "f" else x, 0)
    for name, array in side.weights():  # biases of zero, as recurrent layers' may be, would hide what is done to them
        if "bias" in name and not array.any():
            side.load(name, np.random.default_rng(1).standard_normal(array.shape) * 0.1)
    return side, SimpleNamespace(**module), x


def layers_of(side: Any) -> Layers:
    """Every layer's tensors."""
    layers: Layers = {}
    for name, array in side.weights():
        path, _, own = name.rpartition(".")
        layers.setdefault(path, {})[own] = np.array(array)
    return layers


def _carry(planted: Planted, torch_side: Any, model: Any, x: Any) -> None:
    """Copy torch's weights, and then plant what a script would have carried wrongly."""
    import parity
    from parity.frameworks.keras.side import KerasSide
    from parity.models.inputs import inputs_of

    parity.copy_weights(torch_side.model, model, x)
    keras_side = KerasSide(model)
    keras_side.meet(inputs_of(x))
    sides = {"torch": torch_side, "keras": keras_side}
    for one in planted.carried:
        layers = layers_of(sides[one.side])
        changed = one.change(layers[one.layer], layers)
        if changed is None:
            raise KeyError(f"this side's {one.layer} has no such tensors")
        for name, array in changed.items():
            sides[one.side].load(f"{one.layer}.{name}", array)


def judged(planted: Planted, report: Any) -> dict[str, Any]:
    """What of a report is right."""
    causes = [(cause.path, f"{cause.name}: {cause.evidence}") for cause in report.causes if cause.name != "unknown"]
    feeds = {
        layer.path: layer.step.key.partition("<")[0]
        for layer in report.layers
        if "<" in layer.step.key and layer.faults
    }
    accused = {layer.path for layer in report.layers if layer.faults}
    partners = {pair.torch: pair.keras for pair in report.pairs}

    def _is(layer: str, path: str) -> bool:
        if path == "output" and layer in LAST:
            return True
        names = (path, feeds.get(path, ""), partners.get(path, ""))  # an operation that feeds it; by Keras's name
        return any(_named(layer, name) for name in names if name)

    right = [
        any(_is(layer, path) and re.search(cause, text) for path, text in causes) for layer, cause in planted.expected
    ]
    causes_told = " | ".join(f"{c.name} at {c.path}: {c.evidence[:160]}" for c in report.causes[:2])
    return {
        "caught": not report.ok,
        "first": any(_is(layer, report.first or "") for layer, _ in planted.expected),
        "cause": all(right),
        "others": all(any(_is(layer, path) for layer, _ in planted.expected) for path in accused),
        "told": f"{report.first}; {', '.join(sorted(accused))}; {causes_told}",
    }


def _named(layer: str, path: str) -> bool:
    return bool(re.fullmatch(rf"(.*\.)?({layer})(\.\d)?(\(\))?(#\d)?(<\d)?", path))


def main(faults: list[list[str]]) -> None:
    """One line of JSON a fault."""
    from . import planted, reported

    for fault in faults:
        home = reported if fault[0].startswith("reported.") else planted
        try:
            row = check(home.planted(fault))
        except Exception as error:  # noqa: BLE001 - the others are planted all the same
            row = dict.fromkeys(("caught", "first", "cause", "others", "mended"), False) | {
                "told": f"broken: {error!r}"
            }
        print(json.dumps({"faults": fault} | row), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
