"""The tensors that two models compute with themselves, outside of any layer -> which is which, and how it lies."""

from parity.errors import UnmatchedError
from parity.models.arrays import fitting
from parity.models.kinds import named
from parity.models.layers import LayerInfo

from .model import Matched

Shapes = dict[str, tuple[int, ...]]


def pair_bare(torch: list[LayerInfo], keras: list[LayerInfo]) -> tuple[Matched, Shapes]:
    """Pairs by path, else by the last name and the shape, else by the shape, in the order of definition.

    With them the shapes of torch's, by path, where Keras's are others. Raises UnmatchedError where a parameter has no
    certain partner; a buffer may be without.
    """
    ours, theirs = _shapes(torch), _shapes(keras)
    found = _paired(ours, theirs, (True, False))
    _raise_on_left(torch, keras, found)
    return found, {t: ours[t] for t, k in found.items() if ours[t] != theirs[k]}


def like(torch: list[LayerInfo], keras: list[LayerInfo]) -> Matched:
    """Pairs by path, or by the last name and the shape, alone: of those whose shapes say how one lies in the other."""
    ours, theirs = _shapes(torch), _shapes(keras)
    open_ = _unclear(torch)
    return {t: k for t, k in _paired(ours, theirs, (True,)).items() if not (t in open_ and ours[t] == theirs[k])}


def _unclear(layers: list[LayerInfo]) -> set[str]:
    """Parameters whose axes have the same lengths in another order too: a square matrix may be another's transpose."""
    weights = {layer.path for layer in layers if not named(layer.kind).spare}
    plain = {path: [size for size in shape if size != 1] for path, shape in _shapes(layers).items() if path in weights}
    return {path for path, sizes in plain.items() if 1 < len(sizes) > len(set(sizes))}


def are_unclear(torch: list[LayerInfo], keras: list[LayerInfo]) -> bool:
    """Whether parameters that are partners by name and shape could lie in each other in several ways."""
    ours, theirs = _shapes(torch), _shapes(keras)
    open_ = _unclear(torch)
    return any(t in open_ and ours[t] == theirs[k] for t, k in _paired(ours, theirs, (True,)).items())


def _paired(ours: Shapes, theirs: Shapes, by: tuple[bool, ...]) -> Matched:
    found: Matched = {path: path for path in ours if path in theirs and _fit(ours[path], theirs[path])}
    for called in by:
        left = [path for path in ours if path not in found], [path for path in theirs if path not in found.values()]
        looks = [_by_look(paths, shapes, called) for paths, shapes in zip(left, (ours, theirs), strict=True)]
        for look, paths in looks[0].items():
            others = looks[1].get(look, [])
            fit = all(_fit(ours[t], theirs[k]) for t, k in zip(paths, others, strict=False))
            if len(paths) == len(others) and fit:
                found |= dict(zip(paths, others, strict=True))
    return found


def _shapes(layers: list[LayerInfo]) -> Shapes:
    return {layer.path: layer.weights["value"] for layer in layers if named(layer.kind).bare}


def _fit(torch: tuple[int, ...], keras: tuple[int, ...]) -> bool:
    return fitting(torch, keras) is not False


def _by_look(paths: list[str], shapes: Shapes, called: bool) -> dict[object, list[str]]:
    found: dict[object, list[str]] = {}
    for path in paths:
        sizes = tuple(sorted(size for size in shapes[path] if size != 1))
        found.setdefault((path.rpartition(".")[2] if called else "", sizes), []).append(path)
    return found


def _raise_on_left(torch: list[LayerInfo], keras: list[LayerInfo], found: Matched) -> None:
    known = found.keys(), set(found.values())
    left = [
        [
            layer
            for layer in layers
            if named(layer.kind).bare and not named(layer.kind).spare and layer.path not in paths
        ]
        for layers, paths in zip((torch, keras), known, strict=True)
    ]
    if any(left):
        texts = [", ".join(f"{layer.path} {layer.weights['value']}" for layer in side[:4]) for side in left]
        more = [f" and {len(side) - 4} more" if len(side) > 4 else "" for side in left]
        sides = zip(("torch", "keras"), texts, more, strict=True)
        what = "; ".join(f"only {name} has {text}{rest}" for name, text, rest in sides if text)
        raise UnmatchedError(
            f"every parameter outside of layers must have a partner of the same name or shape, but {what}; give the "
            "parameters the same names and shapes on both sides",
            [layer.path for layer in left[0]],
            [layer.path for layer in left[1]],
        )
