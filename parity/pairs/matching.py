"""Which layer and which step of one model is which of the other's, and where the two are wired differently."""

from dataclasses import dataclass

from parity.errors import ParityError, UnmatchedError
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo

NAMES = ("torch", "keras")


def raise_on_unmatched(ours: list[LayerInfo], theirs: list[LayerInfo], names: tuple[str, str]) -> None:
    """Raise UnmatchedError unless the layers with weights have the same paths and kinds on both sides."""
    sides = [{layer.path: layer.kind for layer in layers if layer.weights} for layers in (ours, theirs)]
    missing = [sorted(path for path, kind in a.items() if b.get(path) != kind) for a, b in (sides, sides[::-1])]
    kinds = [[f"{path} ({side[path]})" for path in paths] for side, paths in zip(sides, missing, strict=True)]
    _raise_lists("every layer with weights must have a partner of the same path and kind", kinds, missing, names)


def raise_on_unknown(unknown: list[list[str]], names: tuple[str, str]) -> None:
    """Raise UnmatchedError if either model has weights that no row of the table of kinds knows."""
    _raise_lists(
        "every weight must belong to a layer of a known kind (parity/models/kinds.py)", unknown, unknown, names
    )


def _raise_lists(rule: str, texts: list[list[str]], lists: list[list[str]], names: tuple[str, str]) -> None:
    if any(lists):
        found = "; ".join(f"only {name} has {', '.join(text)}" for name, text in zip(names, texts, strict=True) if text)
        raise UnmatchedError(f"{rule}, but {found}; compare the two definitions", *lists)


@dataclass(frozen=True)
class Wiring:
    """The steps to compare, in torch's order, by key; and where the two models are wired differently.

    watch: inputs that different steps feed on the two sides; they are compared as steps of their own. loose: steps of
    one side only. A loose step is a fault if numbers differ behind it, and cannot be judged (exit 2) if none do.
    """

    steps: dict[str, StepInfo]
    watch: frozenset[str]
    loose: tuple[list[str], list[str]]

    def raise_on_loose(self) -> None:
        lists = list(self.loose)
        rule = "every step of forward must have a partner in call, or be given one by --map"
        _raise_lists(rule, lists, lists, NAMES)


def match_steps(torch: list[StepInfo], keras: list[StepInfo], doubtful: frozenset[str] | None = None) -> Wiring:
    """Pair the steps of both sides by key. Raises ParityError if there is nothing to compare.

    doubtful: the steps whose inputs are watched where other steps feed them; all, if it is not given.
    """
    ours, theirs = ({step.key: step for step in steps} for steps in (torch, keras))
    loose = (
        [k for k in ours if k not in theirs and "<" not in k],
        [k for k in theirs if k not in ours and "<" not in k],
    )
    steps: dict[str, StepInfo] = {}
    watch = set()
    for key, step in ours.items():
        if key not in theirs:
            continue
        for i, (source, other) in enumerate(zip(step.sources, theirs[key].sources, strict=False)):
            if source != other and step.kind != "output" and (doubtful is None or key in doubtful):
                feeds = f"{key}<{i}"
                watch.add(feeds)
                only_theirs = other in loose[1] and source not in loose[0]
                makers = (theirs, other) if only_theirs else (ours, source)
                glue = ours.get(feeds) or theirs.get(feeds)
                steps[feeds] = _watched(feeds, makers[0].get(makers[1]), theirs.get(other), glue, step)
        steps[key] = step
    if len(steps) < 2:  # the model's output alone is no layer
        raise ParityError(
            "at least one layer must run in both models, and none did; check that they are made of layers"
        )
    return Wiring(steps, frozenset(watch), loose)


def _watched(
    feeds: str, ours: StepInfo | None, theirs: StepInfo | None, glue: StepInfo | None, user: StepInfo
) -> StepInfo:
    """A name for an input that is made differently: that of the operation, or the layer, that only one side has."""
    maker = glue or ours or theirs
    if maker is None or maker.key == "input":
        return StepInfo(feeds, f"{user.path} (input)", "glue", user.shape)
    return StepInfo(feeds, maker.path, maker.kind, maker.shape)
