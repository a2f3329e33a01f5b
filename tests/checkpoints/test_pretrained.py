"""`weights=`: names and files, other heads and inputs, preprocessing, and downloads from a server on this machine."""

import gc
import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import parity
import resnet_keras
import resnet_torch
from parity.frameworks.keras.side import KerasSide
from parity.frameworks.torch.side import TorchSide
from resnet_torch import published

from .helpers import PYTHON, ROOT, random_tensors, same, save_safetensors

PACKAGES = (resnet_torch, resnet_keras)
NAME, TAG = "resnet18", "IMAGENET1K_V1"


class Server(ThreadingHTTPServer):
    """Serves one file, and misbehaves as `manner` says."""

    content = b""
    manner = "good"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked, content, manner = self.headers.get("Range"), self.server.content, self.server.manner
        self.server.ranges.append(asked)
        if manner == "missing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and manner != "no ranges" else 0
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) + {"claims more": 1000, "claims less": -1000}.get(manner, 0)))
        self.end_headers()
        cut = manner in ("cuts", "no ranges") and len(self.server.ranges) == 1
        self.wfile.write(body[: len(body) // 2] if cut or manner == "always cuts" else body)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, np.ndarray]]:
    tensors = random_tensors(NAME)
    path = tmp_path_factory.mktemp("checkpoint") / "x.pth"
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)
    return path.read_bytes(), tensors


@pytest.fixture
def server(checkpoint: tuple[bytes, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as running:
        running.content = checkpoint[0]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("RESNET_WEIGHTS_URL", f"http://127.0.0.1:{running.server_port}")
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        row = published.Weights(hashlib.sha256(checkpoint[0]).hexdigest()[:8], 0.0)
        for package in PACKAGES:
            monkeypatch.setitem(package.published.PUBLISHED, NAME, {TAG: package.published.Weights(row.sha256, 0.0)})
        yield running
        running.shutdown()
    gc.collect()  # a connection that was left open is reported by the test that left it, not by a later one


def arrays(model: Any) -> dict[str, np.ndarray]:
    return dict((TorchSide if isinstance(model, torch.nn.Module) else KerasSide)(model).weights())


def test_table_is_torchvisions() -> None:
    oracles = json.loads(Path(__file__).with_name("oracles.json").read_text())
    found = {
        name: {tag: {"sha256_prefix": row.sha256, "acc1": row.acc1} for tag, row in rows.items()}
        for name, rows in published.PUBLISHED.items()
    }
    assert found == oracles


def test_the_files_of_both_packages_are_the_same() -> None:
    texts = [(ROOT / package.__name__ / "published.py").read_bytes() for package in PACKAGES]
    assert texts[0] == texts[1]


def test_both_packages_get_the_published_weights(server: Server, checkpoint: Any, tmp_path: Path) -> None:
    for package in PACKAGES:
        for _ in range(2):
            assert same(arrays(package.resnet18(weights=TAG)), checkpoint[1])
    assert len(server.ranges) == 2  # one download for each cache
    names = [path.name for path in (tmp_path / "keras" / "models").iterdir()]
    assert sum(name.endswith(".weights.h5") for name in names) == 1
    assert not any(name.endswith(".part") for name in names)
    assert (tmp_path / "torch" / "hub" / "checkpoints").is_dir()


@pytest.mark.parametrize("manner", ["cuts", "no ranges"])
def test_a_broken_download_goes_on_or_starts_again(server: Server, checkpoint: Any, manner: str) -> None:
    server.manner = manner
    assert same(arrays(resnet_torch.resnet18(weights=TAG)), checkpoint[1])
    assert server.ranges == [None, f"bytes={len(server.content) // 2}-"]


@pytest.mark.parametrize(
    ("manner", "told", "left"),
    [
        ("always cuts", "the connection broke 3 times", True),
        ("claims more", "the connection broke 3 times", None),
        ("claims less", "must have a SHA-256 that begins with", False),
        ("wrong", "must have a SHA-256 that begins with", False),
        ("missing", "by hand", False),
    ],
)
def test_bad_servers(server: Server, tmp_path: Path, manner: str, told: str, left: bool | None) -> None:
    server.manner = manner
    if manner == "wrong":
        server.content = server.content[:-1] + b"x"
    with pytest.raises(resnet_torch.WeightsError, match=told) as caught:
        resnet_torch.resnet18(weights=TAG)
    assert f"/{NAME}-" in str(caught.value)
    assert "\n" not in str(caught.value)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    assert not list(folder.glob("*.pth"))
    if left is not None:
        assert bool(list(folder.glob("*.part"))) == left


def test_a_download_stopped_earlier_is_continued(server: Server, tmp_path: Path, checkpoint: Any) -> None:
    server.manner = "always cuts"
    with pytest.raises(resnet_torch.WeightsError):
        resnet_torch.resnet18(weights=TAG)
    server.manner = "good"
    assert same(arrays(resnet_torch.resnet18(weights=TAG)), checkpoint[1])
    assert server.ranges[-1] is not None


def test_offline_names_the_address_and_the_place(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNET_WEIGHTS_URL", "http://127.0.0.1:1")
    for package, folder in zip(PACKAGES, ("torch/hub/checkpoints", "keras/models"), strict=True):
        with pytest.raises(package.WeightsError) as caught:
            package.resnet18(weights=TAG)
        assert f"http://127.0.0.1:1/{NAME}-" in str(caught.value)
        assert f"put that file at {tmp_path / folder}" in str(caught.value)


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    row = published.PUBLISHED[NAME][TAG]
    code = f"""
from pathlib import Path
from resnet_torch import published
published.PUBLISHED["{NAME}"] = {{"{TAG}": published.Weights("{row.sha256}", 0.0)}}
print(published.fetch("{NAME}", "{TAG}", Path({str(tmp_path / "shared")!r})))
"""
    running = [subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    answers = {process.communicate(timeout=120)[0] for process in running}
    assert len(answers) == 1
    assert len(server.ranges) == 1
    assert hashlib.sha256(Path(answers.pop().decode().strip()).read_bytes()).hexdigest().startswith(row.sha256)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    found = {".safetensors": save_safetensors(folder / "x.safetensors", random_tensors("cifar_resnet20"))}
    for suffix in (".pth", ".weights.h5"):
        parity.convert(found[".safetensors"], folder / f"x{suffix}")
        found[suffix] = folder / f"x{suffix}"
    return found


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".weights.h5"])
def test_a_file_of_any_format(
    package: Any, suffix: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    model = package.cifar_resnet20(weights=files[suffix])
    assert same(arrays(model), random_tensors("cifar_resnet20"))


def test_other_classes_and_channels_are_equal_in_both(files: dict[str, Path]) -> None:
    held = random_tensors("cifar_resnet20")
    for options in ({"num_classes": 4, "head": "slice"}, {"in_channels": 1}, {"in_channels": 5}, {"num_classes": 0}):
        ours = arrays(resnet_torch.cifar_resnet20(weights=files[".pth"], **options))
        assert same(ours, arrays(resnet_keras.cifar_resnet20(weights=files[".weights.h5"], **options)))
        assert np.array_equal(ours["layer3.2.conv2.weight"], held["layer3.2.conv2.weight"])
        if "head" in options:
            assert np.array_equal(ours["fc.weight"], held["fc.weight"][:4])
        if options.get("in_channels") == 1:
            assert np.array_equal(ours["conv1.weight"], held["conv1.weight"].sum(1, keepdims=True))
        if options.get("in_channels") == 5:
            expected = (held["conv1.weight"][:, [0, 1, 2, 0, 1]] * (3 / 5)).astype("f4")
            assert np.array_equal(ours["conv1.weight"], expected)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_new_head_is_new(package: Any, files: dict[str, Path]) -> None:
    path = files[".pth" if package is resnet_torch else ".weights.h5"]
    made = arrays(package.cifar_resnet20(weights=path, num_classes=7))
    assert made["fc.weight"].shape == (7, 64)
    assert np.abs(made["fc.weight"]).max() <= 64**-0.5  # fresh: uniform within 1/sqrt(fan_in)
    assert np.array_equal(made["bn1.weight"], random_tensors("cifar_resnet20")["bn1.weight"])


@pytest.mark.parametrize("package", PACKAGES)
def test_what_does_not_fit_is_refused(package: Any, files: dict[str, Path], tmp_path: Path) -> None:
    path = files[".pth" if package is resnet_torch else ".weights.h5"]
    build = package.cifar_resnet20
    for options, told in (
        ({"weights": path, "head": "cut"}, "head must be one of"),
        ({"weights": path, "num_classes": 11, "head": "slice"}, "at most the 10 classes"),
        ({"weights": "IMAGENET1K_V9"}, "none are published for it"),
        ({"weights": tmp_path / "absent.pth"}, "is no file; check the name"),
    ):
        with pytest.raises(package.WeightsError, match=told):
            build(**options)
    with pytest.raises(package.WeightsError, match="must hold the tensors of cifar_resnet32"):
        package.cifar_resnet32(weights=path)
    with pytest.raises(package.WeightsError, match="one of IMAGENET1K_V1, or a file"):
        package.resnet34(weights="IMAGENET1K_V2")


def test_keras_loads_a_converted_file_without_torch_and_parity(files: dict[str, Path]) -> None:
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "parity", "resnet_torch"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import resnet_keras
resnet_keras.cifar_resnet20(weights={str(files[".weights.h5"])!r})
"""
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([PYTHON, "-c", code], check=True, env=settings, capture_output=True, timeout=120)
