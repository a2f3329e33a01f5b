"""torch's own checkpoints, `.pth` and `.pt`: the zip form, and the older one of pickles in a row.

The zip is not memory-mapped: only without does torch compare a tensor's size with that of its entry.
"""

import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError

from .checkpoint import Checkpoint, mapped
from .keras_archive import check_archive, stored_at
from .tensors import BFLOAT16, Tensor

NESTS = ("state_dict", "model", "model_state_dict", "net")  # where training scripts put the weights
MOST_PICKLE = 64 << 20  # bytes; a network of 10,000 tensors has about one million


def read_torch(path: Path) -> Checkpoint:
    """Read a torch checkpoint: weights alone, no code. Raises CheckpointError for whatever torch refuses."""
    import torch

    with ThreadPoolExecutor(1) as pool:
        entries = _checked_entries(path) if zipfile.is_zipfile(path) else _check_legacy(path)
        checksums = pool.submit(_check_checksums, path, entries)  # meanwhile
        content = _load(path)
        checksums.result()
    state, notes = _state(content, path)
    tensors, odd = {}, []
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            odd.append(name)
        else:
            tensors[name] = tensor.detach()
    if odd:
        raise CheckpointError(f"{path} must hold plain tensors, and {', '.join(odd)} are not; save them dense")
    _check_claims(tensors, path)
    return Checkpoint({name: _array(tensor, f"{name} in {path}") for name, tensor in tensors.items()}, notes=notes)


def load_tensors(path: Path) -> Any:
    """What a torch file holds, tensors in tuples, lists and dictionaries. Raises CheckpointError; runs no code."""
    entries = _checked_entries(path) if zipfile.is_zipfile(path) else _check_legacy(path)
    _check_checksums(path, entries)
    return _load(path)


def _load(path: Path) -> Any:
    """torch.load that executes nothing; every complaint of its becomes one sentence."""
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged pickle makes torch raise nearly anything
        text = " ".join(str(error).split())
        why = f"{type(error).__name__}: {(text.partition('WeightsUnpickler error: ')[2] or text)[:200]}"
        raise CheckpointError(
            f"{path} must be a torch file of tensors alone, and torch refuses it ({why}); "
            "fetch it again, or save its state_dict alone"
        ) from None


def _checked_entries(path: Path) -> list[zipfile.ZipInfo]:
    """Every entry stored as it is, once, whole and within the file: none takes more memory than the file has."""
    with check_archive(path) as archive:
        entries = archive.infolist()
        packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise CheckpointError(
                f"{path} must store its entries as they are, and compresses {', '.join(packed)}; refused"
            )
        if any(entry.filename.endswith("/constants.pkl") for entry in entries):
            raise CheckpointError(f"{path} must hold weights, and holds a TorchScript program; save its state_dict")
        pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
        if len(pickles) != 1 or pickles[0].file_size > MOST_PICKLE:
            raise CheckpointError(
                f"{path} must hold one data.pkl of at most {MOST_PICKLE} bytes, and does not; refused"
            )
    return entries


def _check_checksums(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """torch looks at neither the entries' own names nor their checksums."""
    data = mapped(path)
    for entry in entries:
        stored_at(path, data, entry)


def _check_legacy(path: Path) -> list[zipfile.ZipInfo]:
    """Load once without memory behind the tensors, to see what they claim. There are no entries."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        state, _ = _state(_load(path), path)
    _check_claims(state, path)
    return []


def _check_claims(tensors: dict[str, Any], path: Path) -> None:
    """Refuse tensors that are larger together than the file (a shape repeated over one number, a false header)."""
    claimed = sum(max(t.numel() * t.element_size(), t.untyped_storage().nbytes()) for t in tensors.values())
    held = path.stat().st_size
    if claimed > held:
        raise CheckpointError(
            f"{path} must hold the {claimed} bytes that its tensors claim, and has {held}; fetch it again"
        )


def _state(content: Any, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors by name: the file's own dictionary, or the one under a well-known name; and what is beside it."""
    if _is_state(content):
        return content, ()
    found = [key for key in NESTS if isinstance(content, dict) and _is_state(content.get(key))]
    if len(found) != 1:
        keys = ", ".join(map(repr, content)) if isinstance(content, dict) else f"a {type(content).__name__}"
        what = f"both {' and '.join(found)}" if found else keys or "nothing"
        raise CheckpointError(
            f"{path} must hold tensors by name, at its top or under one of {', '.join(NESTS)}, and holds {what}; "
            "save the state_dict alone"
        )
    beside = ", ".join(str(key) for key in content if key != found[0])
    return content[found[0]], (f"{beside} beside {found[0]} passed over",) if beside else ()


def _is_state(value: Any) -> bool:
    import torch

    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in value.items())
    )


def _array(tensor: Any, subject: str) -> Any:
    import torch

    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.uint16).numpy().view(BFLOAT16)
    try:
        return tensor.numpy()
    except (TypeError, RuntimeError):
        raise CheckpointError(
            f"{subject} must be of a floating type, and is {tensor.dtype}; save it as float32"
        ) from None


def write_torch(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write a state_dict in torch's zip form."""
    import torch

    state = {tensor.name: torch.from_numpy(_writable(tensor.value)) for tensor in tensors}
    try:
        torch.save(state, path)
    except RuntimeError as error:  # torch's writer tells a full disk in this way
        raise OSError(None, " ".join(str(error).split())[:200]) from None


def _writable(array: Any) -> Any:
    return array if array.flags.writeable else np.array(array)
