"""A torch model and its state_dict as arrays, there and back."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.errors import CheckpointError, few
from parity.frameworks.adapter import Store
from parity.models.arrays import Array

COUNTER = "num_batches_tracked"  # of a norm: no result depends on it, and files are written without

MOST_PARTS = 4  # of a prefix


class TorchStore(Store):
    """See `Store`. Its files are written from arrays, not by torch."""

    def load(self, model: Any, arrays: Mapping[str, Array], file: Path) -> None:
        state = dict(model.state_dict())
        theirs, ours = _prefixes(arrays, state)
        held = {name.removeprefix(theirs): array for name, array in arrays.items()}
        wanted = {name.removeprefix(ours): tensor for name, tensor in state.items()}
        faults = {
            "missing": _missing(wanted, held),
            "unexpected": [name for name in held if name not in wanted],
            "of another shape": [
                f"{name} {list(held[name].shape)} for {list(tensor.shape)}"
                for name, tensor in wanted.items()
                if name in held and held[name].shape != tuple(tensor.shape)
            ],
        }
        if not any(faults.values()):
            faults["of more digits than the model keeps"] = list(_copied(wanted, held))
        wrong = {what: names for what, names in faults.items() if names}
        if wrong:
            told = "; ".join(f"{len(names)} {what}: {few(names, most=5)}" for what, names in wrong.items())
            raise CheckpointError(
                f"{file} must hold exactly the tensors of the torch model, but there are {told}; give the model that "
                "saved it",
                wrong,
            )

    def tensors(self, model: Any) -> dict[str, Array]:
        return {name: _array(tensor) for name, tensor in model.state_dict().items()}

    def save(self, model: Any, file: Path) -> None:
        raise NotImplementedError("written from arrays")

    def input_shape(self, model: Any) -> tuple[int, ...] | None:
        return None


def _array(tensor: torch.Tensor) -> Array:
    kept = tensor.detach().cpu()
    return (kept.float() if kept.dtype == torch.bfloat16 else kept).numpy().copy()


def _copied(wanted: Mapping[str, torch.Tensor], held: Mapping[str, Array]) -> Iterator[str]:
    """Give the tensors their values; the names of those that cannot hold them bit for bit."""
    for name, tensor in wanted.items():
        if name not in held:
            continue
        given = torch.from_numpy(np.array(held[name]))
        with torch.no_grad():
            tensor.copy_(given)
        kept = tensor.detach().cpu().to(given.dtype)
        if kept.numpy().tobytes() != given.numpy().tobytes():
            yield name


def _missing(wanted: Mapping[str, torch.Tensor], held: Mapping[str, Array]) -> list[str]:
    """The tensors that the file lacks: not counters, and not the other names of one that it has."""
    there = {tensor.data_ptr() for name, tensor in wanted.items() if name in held}
    lacking = [name for name in wanted if name not in held and not name.endswith(COUNTER)]
    return [name for name in lacking if not wanted[name].numel() or wanted[name].data_ptr() not in there]


def _prefixes(arrays: Iterable[str], state: Iterable[str]) -> tuple[str, str]:
    """What all names of the file and all of the model begin with, without which most agree."""
    held, wanted = list(arrays), list(state)

    def apart(pair: tuple[str, str]) -> int:
        return len({n.removeprefix(pair[0]) for n in held} ^ {n.removeprefix(pair[1]) for n in wanted})

    return min(((a, b) for a in _common(held) for b in _common(wanted)), key=apart)


def _common(names: list[str]) -> Iterator[str]:
    prefix = ""
    yield prefix
    for part in (names[0] if names else "").split(".")[:MOST_PARTS]:
        prefix += f"{part}."
        if not all(name.startswith(prefix) for name in names):
            return
        yield prefix
