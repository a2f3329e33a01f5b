"""Pickles are read without running them: what they would call is noted, tensors come out, no trick comes through."""

import argparse
import io
import os
import pickle
import subprocess
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from parity.checkpoints.source import read_source
from parity.checkpoints.torch_pickle import load_tensors, read_torch
from parity.errors import CheckpointError

from .helpers import PYTHON, ROOT, SMALL, random_tensors


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Sequential(nn.Flatten(), nn.Linear(8, 4)))


def same(found: dict[str, np.ndarray], state: dict[str, torch.Tensor]) -> bool:
    return found.keys() == state.keys() and all(
        found[name].tobytes() == tensor.numpy().tobytes() and found[name].shape == tuple(tensor.shape)
        for name, tensor in state.items()
    )


WRAPPED: dict[str, Any] = {
    "bare": lambda model: model.state_dict(),
    "module": lambda model: model,
    "arguments": lambda model: {"args": argparse.Namespace(arch="x", lr=0.1), "state_dict": model.state_dict()},
    "scalars": lambda model: {"best": np.float64(3), "epoch": np.int64(2), "net": model.state_dict()},
    "average": lambda model: {"ema": model.state_dict(), "optimizer": {"state": {0: {"x": torch.zeros(2, 2)}}}},
    "deep": lambda model: {"params": {"network": model.state_dict()}, "step": 3},
    "whole in a dictionary": lambda model: {"model": model, "epoch": 3},
}


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("case", WRAPPED)
def test_tensors_come_out_of_whatever_holds_them(case: str, older: bool, tmp_path: Path) -> None:
    model = net()
    torch.save(WRAPPED[case](model), tmp_path / "in.pth", _use_new_zipfile_serialization=not older)
    assert same(read_torch(tmp_path / "in.pth").tensors, model.state_dict())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_of_torchscript(tmp_path: Path) -> None:
    model = net().eval()
    for number, made in enumerate((torch.jit.script(model), torch.jit.trace(model, torch.zeros(1, 3, 3, 3)))):
        torch.jit.save(made, tmp_path / f"{number}.pt")
        found = read_torch(tmp_path / f"{number}.pt").tensors
        assert same(found, model.state_dict())


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_arrays_in_plain_pickles(protocol: int, tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=">f4").reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3))), "c": np.zeros(0)}
    arrays["d"] = arrays["a"]
    (tmp_path / "in.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "x"}, protocol))
    if protocol < 2:
        with pytest.raises(CheckpointError, match="begins as none of these"):
            read_source(tmp_path / "in.pkl")
        return
    found = read_torch(tmp_path / "in.pkl").tensors
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_several_networks_are_chosen_among(tmp_path: Path) -> None:
    first, second = net(), net()
    torch.save({"teacher": {"net": first.state_dict()}, "student": {"net": second.state_dict()}}, tmp_path / "in.pth")
    with pytest.raises(CheckpointError, match=r"holds teacher\.net, student\.net; choose one with --at teacher\.net"):
        read_torch(tmp_path / "in.pth")
    assert same(read_torch(tmp_path / "in.pth", "student.net").tensors, second.state_dict())
    with pytest.raises(CheckpointError, match=r"nothing lies at 'x'; try teacher.net, student.net"):
        read_torch(tmp_path / "in.pth", "x")


def test_dtypes_strides_and_views(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    held = {"a": base.permute(2, 0, 1), "b": base[1:, ::2], "c": base.bfloat16(), "d": base.half(), "e": base.bool()}
    for older in (True, False):
        torch.save(held, tmp_path / "in.pth", _use_new_zipfile_serialization=not older)
        found = read_torch(tmp_path / "in.pth").tensors
        for name, tensor in held.items():
            kept = tensor.view(torch.int16).numpy().view("u2") if name == "c" else tensor.numpy()
            mine = found[name]["bfloat16"] if name == "c" else found[name]
            assert np.array_equal(mine, kept), name


ODD: dict[str, Any] = {
    "quantised": lambda: torch.quantize_per_tensor(torch.zeros(3, 3), 0.1, 0, torch.qint8),
    "float8": lambda: torch.zeros(3, 3).to(torch.float8_e4m3fn),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "meta": lambda: torch.zeros(3, 3, device="meta"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("what", ODD)
def test_tensors_that_are_no_arrays_are_named(what: str, tmp_path: Path) -> None:
    torch.save({"conv1.weight": ODD[what](), "fc.bias": torch.zeros(3)}, tmp_path / "in.pth")
    with pytest.raises(CheckpointError, match=f"1 are not: conv1.weight .*{what}"):
        read_torch(tmp_path / "in.pth")


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def zipped(path: Path, data: bytes) -> Path:
    """A torch file with this for its pickle, and one storage of 8 bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/byteorder", "little")
        archive.writestr("x/data/0", bytes(8))
    return path


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"


def tensor(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A dictionary with one tensor, as a pickle."""
    numbers = [
        b"(" + b"".join(b"\x8a\x08" + n.to_bytes(8, "little", signed=True) for n in ns) + b"t"
        for ns in (shape, strides)
    ]
    place = b"\x8a\x08" + offset.to_bytes(8, "little", signed=True)
    args = b"(" + STORAGE + place + b"".join(numbers) + b"\x89}t"
    return b"\x80\x02}X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n" + args + b"Rs."


def test_the_crafted_tensor_is_sound_where_it_should_be(tmp_path: Path) -> None:
    assert read_torch(zipped(tmp_path / "in.pth", tensor(0, (2,), (1,)))).tensors["weight"].shape == (2,)


TRICKS: dict[str, bytes] = {
    "system": pickle.dumps({"a": Calls(os.system, "touch trace")}),
    "eval": pickle.dumps([Calls(eval, "__import__('os').mkdir('trace')")]),
    "inst": b"(S'touch trace'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch trace'\no.",
    "getattr chain": pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system")),
    "build": b"\x80\x02cos\nsystem\n)\x81}X\x01\x00\x00\x00aK\x01sb.",
    "endless nesting": b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
    "nested tuples": b"\x80\x02)" + b"\x85" * 500_000 + b".",
    "memo loop": b"\x80\x02]q\x00h\x00a}X\x01\x00\x00\x00ah\x00sh\x00a.",
    "loop of dictionaries": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    "ten million objects": b"\x80\x02" + b"cx\ny\n)\x81" * 1 + b"0cx\ny\n)\x81" * 10_000_000 + b".",
    "ten million lists": b"\x80\x02(" + b"]" * 10_000_000 + b"t.",
    "a number of a megabyte": b"\x80\x02\x8b" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b".",
    "digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "text of a terabyte": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"a.",
    "marks": b"\x80\x02((((.",
    "a mark as a value": b"\x80\x02(2\x85.",
    "no stop": b"\x80\x02}",
    "unknown instruction": b"\x80\x02\xff.",
    "extension": b"\x80\x02\x82\x01.",
    "beyond the storage": tensor(1, (2,), (1,)),
    "before the storage": tensor(-1, (2,), (1,)),
    "a negative stride": tensor(1, (2,), (-1,)),
    "a terabyte of one number": tensor(0, (1 << 38,), (0,)),
    "a shape that overflows": tensor(0, (1 << 62, 1 << 62), (1, 1)),
    "another storage": tensor(0, (2,), (1,)).replace(b"\x01\x00\x00\x000X\x03", b"\x01\x00\x00\x009X\x03"),
    "a storage of no type": tensor(0, (2,), (1,)).replace(b"ctorch\nFloatStorage\n", b"cos\nsystem\n"),
    "an id that is none": b"\x80\x02K\x01Q.",
    "a key that cannot be one": b"\x80\x02}]K\x01s.",
    "arguments of another kind": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01R.",
    "no arguments": b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n)R.",
    "scalar": pickle.dumps(np.float64(3)).replace(b"f8", b"O8"),
}


@pytest.mark.parametrize("form", ["zip.pth", "bare.pkl"])
@pytest.mark.parametrize("trick", TRICKS)
def test_tricks(trick: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = TRICKS[trick]
    path = zipped(tmp_path / form, data) if form == "zip.pth" else tmp_path / form
    if form == "bare.pkl":
        path.write_bytes(data)
    began = time.monotonic()
    with pytest.raises(CheckpointError):
        read_torch(path)
    assert time.monotonic() - began < 20
    assert not (tmp_path / "trace").exists()


def test_memory_stays_small(tmp_path: Path) -> None:
    """Of a file of ten million objects, in a process of its own."""
    (tmp_path / "in.pkl").write_bytes(TRICKS["ten million objects"])
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom parity.checkpoints.torch_pickle import read_torch\n"
        "try:\n    read_torch(Path(sys.argv[1]))\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [PYTHON, "-c", code, str(tmp_path / "in.pkl")]
    done = subprocess.run(command, capture_output=True, text=True, env=settings, timeout=120, check=False)
    raised, size = done.stdout.split()
    assert raised == "CheckpointError"
    assert int(size) < 600_000  # KiB


def test_a_network_of_ours_in_an_object_nobody_knows(tmp_path: Path) -> None:
    """Lightning and others pickle their own classes beside the weights: they stay names."""
    state = OrderedDict((name, torch.from_numpy(array)) for name, array in random_tensors().items())
    beside = {"callbacks": {"x": Calls(os.mkdir, str(tmp_path / "trace"))}, "hyper_parameters": {"lr": 0.1}}
    torch.save({"state_dict": state, "pytorch-lightning_version": "2.4", **beside}, tmp_path / "in.ckpt")
    found = read_source(tmp_path / "in.ckpt")
    assert found.architecture.name == SMALL
    assert not (tmp_path / "trace").exists()


def test_inputs_of_a_file_are_plain(tmp_path: Path) -> None:
    torch.save((torch.ones(2, 3).bfloat16(), {"mask": torch.tensor([True])}), tmp_path / "x.pt")
    first, second = load_tensors(tmp_path / "x.pt")
    assert first.dtype == np.float32
    assert second["mask"].tolist() == [True]
    buffer = io.BytesIO()
    torch.save([Calls(os.mkdir, "trace")], buffer)
    (tmp_path / "x.pt").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="holds objects too"):
        load_tensors(tmp_path / "x.pt")
