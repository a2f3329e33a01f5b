"""Which layer and which step of one model is which of the other's, and where the two are wired differently."""

from collections.abc import Sequence
from dataclasses import dataclass

from parity.errors import ParityError, UnmatchedError
from parity.models.layers import LayerInfo
from parity.models.steps import StepInfo

from .nearest import Look, nearest, without_partner

NAMES = ("torch", "keras")


def raise_on_unmatched(ours: list[LayerInfo], theirs: list[LayerInfo], names: tuple[str, str]) -> None:
    """Raise UnmatchedError unless the layers with weights have the same paths and kinds on both sides."""
    looks = _looks(ours), _looks(theirs)
    missing = [_missing(*looks), _missing(*looks[::-1])]
    if not any(missing):
        return
    shown = [[f"{path} ({look[path].kind})" for path in paths] for look, paths in zip(looks, missing, strict=True)]
    by_a_run = "pass an input x, so that layers of other names are paired by what they do in a run"
    raise UnmatchedError(
        "weights without a partner: every layer with weights must have one of the same path and kind, but "
        f"{without_partner(shown, names)}{nearest((missing[0], missing[1]), looks)}; "
        + (by_a_run if set(names) == set(NAMES) else "give the layers the same names"),
        *missing,
    )


def _looks(layers: list[LayerInfo]) -> dict[str, Look]:
    return {layer.path: Look(layer.kind, layer.weights) for layer in layers if layer.weights}


def _missing(ours: dict[str, Look], theirs: dict[str, Look]) -> list[str]:
    return sorted(path for path, look in ours.items() if path not in theirs or theirs[path].kind != look.kind)


# What a tensor that no layer of a known kind has is called, and what to do about it.
REMEDIES = (
    ("parametrizations.", "call torch.nn.utils.parametrize.remove_parametrizations first"),
    ("weight_g", "call torch.nn.utils.remove_weight_norm first"),
    ("weight_v", "call torch.nn.utils.remove_weight_norm first"),
    ("weight_orig", "call torch.nn.utils.remove_spectral_norm first, or prune.remove after pruning"),
    ("lora_", "merge the adapter into its layer first (merge_and_unload)"),
)
OTHERWISE = "put layers of known kinds in its place, or, if it is a constant buffer, register it with persistent=False"


def raise_on_unknown(unknown: list[list[str]], names: Sequence[str]) -> None:
    """Raise UnmatchedError if either model has weights that no row of the table of kinds knows."""
    if any(unknown):
        first = next(key for keys in unknown for key in keys)
        remedy = next((text for name, text in REMEDIES if name in first), OTHERWISE)
        raise UnmatchedError(
            "weights of an unknown kind: every weight must belong to a layer of a known kind (parity/models/kinds.py), "
            f"but {without_partner(unknown, names)}; {remedy}",
            *unknown,
        )


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
        if any(self.loose):
            raise UnmatchedError(
                "steps without a partner: every step of forward must have one in call, or be given one by --map, but "
                f"{without_partner(self.loose, NAMES)}; no number shows what that does: take it out, or pair it with "
                "--map",
                *self.loose,
            )


def match_steps(torch: list[StepInfo], keras: list[StepInfo], doubtful: frozenset[str] | None = None) -> Wiring:
    """Pair the steps of both sides by key. Raises ParityError if there is nothing to compare.

    doubtful: the steps whose inputs are watched
    where other steps feed them; all, if it is not given.
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
            feeds = f"{key}<{i}"
            seen = feeds in ours and feeds in theirs  # as what another step of Keras's makes: no name for two tensors
            if source != other and not seen and step.kind != "output" and (doubtful is None or key in doubtful):
                watch.add(feeds)
                only_theirs = other in loose[1] and source not in loose[0]
                makers = (theirs, other) if only_theirs else (ours, source)
                glue = ours.get(feeds) or theirs.get(feeds)
                alone = [side[key] for side, key in (makers, (theirs, other)) if key in side and key not in steps]
                shape = ours[source].shape if source in ours else step.shape
                steps[feeds] = _watched(feeds, glue, alone, step, shape)
        steps[key] = step
    if not steps:
        raise ParityError(
            "both models must give something that can be compared, and no layer of one runs in the other, nor have "
            "they an output in common; check that both return what they compute"
        )
    return Wiring(steps, frozenset(watch), loose)


def _watched(
    feeds: str, glue: StepInfo | None, alone: list[StepInfo], user: StepInfo, shape: tuple[int, ...]
) -> StepInfo:
    """A name for an input that is made differently: that of the operation, or the layer, that only one side has."""
    maker = glue or next(iter(alone), None)
    if maker is None or maker.key == "input":
        return StepInfo(feeds, f"{user.path} (input)", "glue", shape)
    return StepInfo(feeds, maker.path, maker.kind, maker.shape)
