"""Nothing in a checkpoint is executed, no claim is believed, and no damage leaves more than one sentence behind."""

import io
import json
import os
import pickle
import random
import resource
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy
import torch

from parity.checkpoints.files import read

from .conftest import FORMATS, GOOD
from .helpers import convert, random_tensors, same
from .mutations import mutate

LONGEST = 10  # seconds for one file


def independently(path: Path, suffix: str) -> dict[str, np.ndarray]:
    """The tensors of a file as its own library reads them."""
    if suffix == ".safetensors":
        return safetensors.numpy.load_file(path)
    if suffix in (".pth", ".pt"):
        return {name: tensor.numpy() for name, tensor in torch.load(path, weights_only=True).items()}
    found: dict[str, np.ndarray] = {}
    stream: Any = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5")) if suffix == ".keras" else path
    with h5py.File(stream) as file:
        file.visititems(
            lambda name, item: found.update({name: np.array(item)}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def by_value(tensors: dict[str, np.ndarray]) -> list[tuple[int, bytes]]:
    """What does not depend on names and axes: each tensor's numbers, sorted."""
    return sorted((a.size, np.sort(a.reshape(-1).view(f"u{a.dtype.itemsize}")).tobytes()) for a in tensors.values())


def attack(valid: dict[str, Path], folder: Path, suffix: str, seed: int, capsys: Any) -> str:
    """Mutate, convert, and check all that must hold whatever came of it. Returns what came of it."""
    name, data = mutate(valid[suffix], suffix, random.Random(seed))
    source, goal = folder / f"in{suffix}", folder / "out.safetensors"
    source.write_bytes(data)
    goal.write_bytes(GOOD)
    began = time.monotonic()
    code = convert(source, goal)
    assert time.monotonic() - began < LONGEST, f"{name}, seed {seed}: too long"
    out, err = capsys.readouterr()
    assert sorted(path.name for path in folder.iterdir()) == sorted([source.name, goal.name])
    if code == 0:
        assert err == ""
        assert by_value(safetensors.numpy.load_file(goal)) == by_value(independently(source, suffix)), f"{name}, {seed}"
        return "converted"
    assert code == 2, f"{name}, seed {seed}"
    assert out == ""
    assert err.startswith("parity.convert: "), f"{name}, seed {seed}: {err}"
    assert err.count("\n") == 1, f"{name}, seed {seed}: {err}"
    assert err[:-1].isprintable()
    assert goal.read_bytes() == GOOD
    return "refused"


@pytest.mark.parametrize("suffix", FORMATS)
def test_mutations(valid: dict[str, Path], tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [attack(valid, tmp_path, suffix, seed, capsys) for seed in range(25)]
    assert "refused" in outcomes


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_many_mutations(
    valid: dict[str, Path], tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six times 350: 2,100 files."""
    outcomes = [attack(valid, tmp_path, suffix, seed, capsys) for seed in range(1000, 1350)]
    assert outcomes.count("refused") > 100
    with capsys.disabled():
        print(f" {suffix}: {outcomes.count('refused')} refused, {outcomes.count('converted')} converted", end="")


class Evil:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def planted(kind: str, folder: Path, trace: Path, valid: dict[str, Path]) -> Path:
    """A file of each kind that would execute something if it were loaded carelessly."""
    state: dict[str, Any] = torch.load(valid[".pth"], weights_only=True)
    suffix = next(each for each in sorted(FORMATS, key=len, reverse=True) if kind.endswith(each))
    path = folder / f"evil{suffix}"
    if kind in ("zip.pth", "zip.pt"):
        torch.save(state | {"evil": Evil(trace)}, path)
    elif kind == "beside.pth":
        torch.save({"state_dict": state, "args": Evil(trace)}, path)
    elif kind == "old.pth":
        torch.save(state | {"evil": Evil(trace)}, path, _use_new_zipfile_serialization=False)
    elif kind == "module.pth":
        torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    elif kind == "bare.pth":
        path.write_bytes(pickle.dumps(Evil(trace)))
    elif kind == "script.pt":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", pickle.dumps(Evil(trace)))
            archive.writestr("x/constants.pkl", pickle.dumps(Evil(trace)))
            archive.writestr("x/version", "3\n")
    elif kind == "pickle.safetensors":
        path.write_bytes(pickle.dumps(Evil(trace)))
    elif kind == "metadata.safetensors":
        text = pickle.dumps(Evil(trace), 0).decode("latin-1")
        safetensors.numpy.save_file(random_tensors(), path, {"model": text, "pickle": text})
    elif kind in ("lambda.keras", "lambda.h5"):
        function = eval(f"lambda x: (__import__('os').mkdir({str(trace)!r}), x)[1]")
        source = keras.Input((2,))
        layer = keras.layers.Lambda(function, output_shape=(2,))
        model = keras.Model(source, keras.layers.Dense(3)(layer(source)))
        assert not trace.exists()
        model.save(path)
    elif kind == "npz.keras":
        with zipfile.ZipFile(valid[".keras"]) as archive, zipfile.ZipFile(path, "w") as changed:
            changed.writestr("config.json", archive.read("config.json"))
            buffer = io.BytesIO()
            np.savez(buffer, evil=np.array([Evil(trace)], dtype=object))
            changed.writestr("model.weights.npz", buffer.getvalue())
    elif kind == "weights.keras":
        with zipfile.ZipFile(valid[".keras"]) as archive, zipfile.ZipFile(path, "w") as changed:
            changed.writestr("config.json", archive.read("config.json"))
            changed.writestr("model.weights.h5", pickle.dumps(Evil(trace)))
    else:
        path.write_bytes(valid[suffix].read_bytes())
        with h5py.File(path, "a") as file:
            file.attrs["model"] = np.void(pickle.dumps(Evil(trace)))
            file["fc/pickled"] = np.void(pickle.dumps(Evil(trace)))
            file.attrs["model_config"] = json.dumps({"class_name": "Lambda", "config": {"function": "boom"}})
    return path


INERT = (
    "metadata.safetensors",
    "zip.pth",
    "zip.pt",
    "beside.pth",
    "old.pth",
)  # with a whole network beside what is not run
KINDS = ("zip.pth", "zip.pt", "beside.pth", "old.pth", "module.pth", "bare.pth", "script.pt", "pickle.safetensors")
KINDS += ("metadata.safetensors", "lambda.keras", "lambda.h5", "npz.keras", "weights.keras")
KINDS += ("attribute.weights.h5", "attribute.h5")


@pytest.mark.parametrize("kind", KINDS)
def test_planted_code_does_not_run(
    kind: str, tmp_path: Path, valid: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    path = planted(kind, tmp_path, trace, valid)
    code = convert(path, tmp_path / "out.safetensors")
    assert not trace.exists()
    assert code == (0 if kind in INERT else 2)
    assert capsys.readouterr().err.count("\n") == (0 if code == 0 else 1)


def test_the_planted_pickle_would_run(tmp_path: Path, valid: dict[str, Path]) -> None:
    """The test above tests something: the same file, loaded carelessly, does write."""
    trace = tmp_path / "trace"
    torch.load(planted("zip.pth", tmp_path, trace, valid), weights_only=False)
    assert trace.exists()


def terabyte(kind: str, folder: Path) -> Path:
    """A small file that claims 1 TB."""
    path = folder / f"large{kind[kind.index('.') :]}"
    if kind == "header.safetensors":
        path.write_bytes((1 << 40).to_bytes(8, "little") + b"{" + b" " * 50)
    elif kind == "tensor.safetensors":
        entry = {"fc.weight": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}
        path.write_bytes(len(json.dumps(entry)).to_bytes(8, "little") + json.dumps(entry).encode() + bytes(99))
    elif kind == "dataset.weights.h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("fc/vars/0", (1 << 38,), "f4")
    elif kind == "chunked.h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("fc/fc/kernel", (1 << 38,), "f4", chunks=(1 << 20,), compression="gzip")
    elif kind == "view.pth":
        torch.save({"fc.weight": torch.zeros(1).expand(1 << 38)}, path)
    elif kind == "storage.pt":
        torch.save({"fc.weight": torch.zeros(1234567)}, path, _use_new_zipfile_serialization=False)
        data = path.read_bytes()[:5000]
        path.write_bytes(data.replace(pickle.dumps(1234567, 2)[2:-1], b"\x8a\x06" + (1 << 40).to_bytes(6, "little")))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("model.weights.h5", bytes(10_000_000))
    return path


TERABYTES = ("header.safetensors", "tensor.safetensors", "dataset.weights.h5", "chunked.h5", "view.pth", "storage.pt")


@pytest.mark.parametrize("kind", [*TERABYTES, "bomb.keras"])
def test_claims_are_checked_before_memory_is_taken(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = terabyte(kind, tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert convert(path, tmp_path / "out.safetensors") == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    assert capsys.readouterr().err.count("\n") == 1


def test_a_crashing_or_endless_library_stops_nothing_else(
    tmp_path: Path, valid: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process that opens HDF5 files of unknown origin may die or hang: neither reaches this one."""
    import parity.checkpoints.hdf5 as module

    for body, told in [("import os; os.abort()", "made the library stop"), ("while True: pass", "must open within")]:
        (tmp_path / "hdf5_index.py").write_text(body)
        monkeypatch.setattr(module, "__file__", str(tmp_path / "hdf5.py"))
        monkeypatch.setattr(module, "SECONDS", 0.5)
        assert convert(valid[".h5"], tmp_path / "out.safetensors") == 2
        assert told in capsys.readouterr().err


def test_a_whole_index_in_another_process_is_the_one_in_this(valid: dict[str, Path]) -> None:
    for suffix in (".weights.h5", ".h5", ".keras"):
        ours, theirs = read(valid[suffix], trusted=True), read(valid[suffix])
        assert same(ours.tensors, theirs.tensors)
