"""mnist_torch and mnist_keras: they learn, see the same batches, and go on bit for bit after a kill -9."""

import json
import signal
import subprocess
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from examples import command as commands, data, mnist_keras, mnist_torch

from .helpers import ENVIRONMENT, ROOT, command, is_png, small_mnist, succeeds

MODULES: dict[str, Any] = {"mnist_torch": mnist_torch, "mnist_keras": mnist_keras}
NAMES = tuple(MODULES)
CHECKPOINTS = {"mnist_torch": mnist_torch.CHECKPOINT, "mnist_keras": mnist_keras.CHECKPOINT}
SMALL = ("--model", "cifar_resnet20", "--batch-size", 27, "--dropout", 0.3)


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_mnist(tmp_path_factory.mktemp("data") / "mnist.npz")


def state(name: str, folder: Path) -> dict[str, Any]:
    """Every array of the checkpoint, by name."""
    path = folder / CHECKPOINTS[name]
    found: dict[str, Any] = {}
    if name == "mnist_torch":
        document = torch.load(path, weights_only=True)
        found |= {f"model/{key}": tensor for key, tensor in document["model"].items()}
        for number, slots in document["optimizer"]["state"].items():
            found |= {f"optimizer/{number}/{key}": tensor for key, tensor in slots.items()}
        return found | {"random": document["random"]["cpu"]}
    with zipfile.ZipFile(path) as archive, h5py.File(BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda key, item: found.update({key: item[()]}) if hasattr(item, "shape") else None)
    return found | {"random": json.loads((folder / mnist_keras.HISTORY).read_text())["random"][-1]}


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def killed(name: str, folder: Path, *arguments: object) -> None:
    """Start a training and kill -9 it as soon as its first checkpoint is there."""
    process = subprocess.Popen(
        command(name, *arguments, "--output", folder), cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    try:
        while not (folder / CHECKPOINTS[name]).exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "result.json").exists(), "it was done before it was killed"


@pytest.mark.parametrize("name", ["mnist_keras", pytest.param("mnist_torch", marks=pytest.mark.slow)])
def test_resumes_bit_for_bit_after_kill_9(
    name: str, npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--data", npz, "--epochs", 4, *SMALL)
    whole = output(name, capsys, *options, "--output", tmp_path / "whole")
    killed(name, tmp_path / "killed", *options)
    resumed = succeeds(name, *options, "--output", tmp_path / "killed", "--resume")
    ours, theirs = state(name, tmp_path / "killed"), state(name, tmp_path / "whole")
    assert list(ours) == list(theirs)
    assert any("optimizer" in key for key in ours)
    assert len(ours["random"])
    for key, array in theirs.items():
        np.testing.assert_array_equal(ours[key], array, err_msg=key)
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
    assert resumed.split("images to train")[0] == whole.split("images to train")[0]
    assert is_png(tmp_path / "whole" / "training.png")
    assert not list(tmp_path.rglob(".part-*"))
    refused = [name, "--data", npz, "--epochs", 5, *SMALL, "--output", tmp_path / "whole", "--resume"]
    assert "epochs 4 (now 5)" in refusal(*refused, capsys=capsys)


def output(name: str, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What an example prints that runs in this process."""
    assert commands.run(MODULES[name].main, name, [str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def refusal(name: str, *arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that an example gives up with."""
    assert commands.run(MODULES[name].main, name, [str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize("name", NAMES)
def test_resume_without_checkpoint(name: str, npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refusal(name, "--data", npz, "--output", tmp_path, "--resume", capsys=capsys)
    assert err.startswith(f"examples.{name}: --resume needs {tmp_path}")


@pytest.mark.parametrize("module", [mnist_torch, mnist_keras])
def test_no_network(module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_network() -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(module, "download", no_network)
    assert commands.run(module.main, "mnist", []) == 2
    assert capsys.readouterr().err == (
        "examples.mnist: MNIST must be downloaded once, and that failed (Name or service not known); pass the file "
        "with --data FILE, or use --dataset digits, which needs no network\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "resnet51"], "resnet50"),
        (["--batch-size", "1"], "from 2 to the 108 images"),
        (["--batch-size", "109"], "from 2 to the 108 images"),
        (["--dataset", "digits"], "two sources"),
    ],
)
def test_wrong_options(arguments: list[str], said: str, npz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(mnist_torch.main, "mnist_torch", ["--data", str(npz), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_both_see_the_same_batches() -> None:
    """Also from the second epoch on, and when they go on in the middle."""
    part = data.Part(np.arange(20.0, dtype=np.float32).reshape(20, 1, 1, 1), np.arange(20))
    ours, theirs = torch_batches(part, start=0), keras_batches(part, start=0)
    assert ours == theirs
    assert len({tuple(epoch) for epoch in map(tuple, ours)}) == 3
    assert torch_batches(part, start=1) == ours[1:] == keras_batches(part, start=1)


def torch_batches(part: data.Part, start: int) -> list[tuple[int, ...]]:
    sampler = mnist_torch.Shuffled(len(part), seed=3)
    loader = torch.utils.data.DataLoader(mnist_torch.tensors(part), 6, sampler=sampler, drop_last=True)
    epochs = []
    for sampler.epoch in range(start, 3):
        epochs.append(tuple(int(label) for _, labels in loader for label in labels))
    return epochs


def keras_batches(part: data.Part, start: int) -> list[tuple[int, ...]]:
    keras = mnist_keras.keras
    seen: list[list[int]] = []

    class Spy(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, batch: Any) -> Any:
            seen.append([int(label) for label in batch[1]])
            return {"loss": 0.0}

    model = Spy()
    model.compile("sgd", "mse", run_eagerly=True)
    batches = mnist_keras.Shuffled(part, 6, 3)
    number = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch))
    model.fit(batches, epochs=3, initial_epoch=start, callbacks=[number], shuffle=False, verbose=0)
    return [tuple(np.concatenate(seen[i : i + 3]).tolist()) for i in range(0, len(seen), 3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_digits_are_learned(name: str, tmp_path: Path) -> None:
    succeeds(name, "--dataset", "digits", "--output", tmp_path)
    assert result(tmp_path)["test_accuracy"] >= 0.97
