"""A lock-step training run's document -> one HTML file, with its losses and distances over the steps. Pure."""

from typing import Any

from .curves import Curves, curves
from .render import page, size
from .report_page import VERDICTS

Document = dict[str, Any]
ORDER = ("weight", "gradient", "running_mean", "running_var")  # first, of what is compared
PLAIN = ("rate", "loss", "iterations")  # the loss has a picture of its own; the others hardly ever differ


def training_page(document: Document, command: str | None = None) -> str:
    """The page of what `parity.train --json` writes (see parity/verdict/training.py)."""
    return page(
        "training.html.jinja",
        document=document,
        command=command,
        runs=[_run(run) for run in document["runs"]],
        sentence=_sentence(document),
        words=VERDICTS,
    )


def _sentence(document: Document) -> str:
    fault = document["fault"]
    if fault is None:
        return f"{document['target']} trains alike in PyTorch and Keras"
    where = f" of {fault['path']}" if fault["path"] else ""
    return (
        f"{document['target']} parts at step {fault['step']} in the {fault['what'].replace('_', ' ')}{where}: "
        f"{size(fault['error'])} in {fault['dtype']}, where {size(fault['allowed'])} is allowed"
    )


def _run(run: Document) -> Document:
    """The pictures of one run: the loss of both sides, then how far each kind of number is apart."""
    steps = next((list(curve["steps"]) for curve in run["curves"].values()), [])
    shown: list[Curves] = []
    if steps:
        shown.append(curves("loss", steps, {side: run["loss"][side] for side in ("torch", "keras")}, (), log=False))
    kinds = [*ORDER, *(what for what in run["curves"] if what not in (*ORDER, *PLAIN))]
    shown += [_distance(what, run) for what in ("loss", *kinds) if what in run["curves"] and steps]
    return {"dtype": run["dtype"], "band": run["band"], "line": run["line"], "steps": len(steps), "pictures": shown}


def _distance(what: str, run: Document) -> Curves:
    curve = run["curves"][what]
    found = curve["distance" if run["band"] else "error"]
    lines = {"allowed": curve["allowed"], "found": found}
    title = f"{what.replace('_', ' ')}, difference"
    return curves(title, curve["steps"], lines, curve.get("band", ()) if run["band"] else (), log=True)
