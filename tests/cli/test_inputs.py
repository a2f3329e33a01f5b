"""The options that say what the models run on: `--input`, `--input-shape A;B` and `--inputs FILE`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.check import parser
from parity.checks.given import inputs_given
from parity.cli import chosen_target
from parity.errors import ParityError, TargetError
from parity.models.inputs import Inputs
from parity.models.specs import input_spec
from parity.models.targets import Target

from .test_check import run

WORDS = "tests.frameworks.test_inputs"
OWN = ("--torch", f"{WORDS}:Words", "--keras", f"{WORDS}:keras_words")


def given(*words: str, batch: int = 3) -> Inputs:
    target = chosen_target(parser().parse_args(["--torch", "a:b", "--keras", "a:c", *words]))
    assert isinstance(target, Target)
    assert target.words.startswith("--torch a:b --keras a:c --input")
    return inputs_given(target, batch, 0)


def test_named_inputs() -> None:
    x = given(
        "--input", "ids=12:int64:5-1000", "--input", "mask=12:bool", "--input", "t=:float32:0-1", "--input", "v=2,3"
    )
    shapes = {name: (array.shape, array.dtype.kind) for name, array in x.arrays.items()}
    assert shapes == {"ids": ((3, 12), "i"), "mask": ((3, 12), "b"), "t": ((3,), "f"), "v": ((3, 2, 3), "f")}
    assert x.arrays["ids"].min() >= 5
    assert x.arrays["ids"].max() < 1000
    assert x.arrays["mask"][:, 0].all()
    assert not x.arrays["mask"].all()
    assert x.arrays["t"].min() >= 0
    assert x.arrays["t"].max() < 1
    assert x.open == {"v"}, "the others are as they were asked for"


def test_several_shapes() -> None:
    x = given("--input-shape", "3,8,8;12")
    assert [array.shape for array in x.arrays.values()] == [(3, 3, 8, 8), (3, 12)]
    assert isinstance(x.form, tuple), "by position"
    assert not np.array_equal(x.first.reshape(-1)[:36], x.arrays["1"].reshape(-1)), "each is drawn anew"


def test_files(tmp_path: Path) -> None:
    arrays = {"ids": np.arange(12).reshape(2, 6), "mask": np.ones((2, 6), bool)}
    np.savez(tmp_path / "a.npz", **arrays)
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    torch.save({"u": torch.ones(2, 3, dtype=torch.bfloat16)}, tmp_path / "a.pt")
    found = given("--inputs", str(tmp_path / "a.npz"))
    assert found.names == ("ids", "mask")
    assert np.array_equal(found.arrays["ids"], arrays["ids"])
    assert given("--inputs", str(tmp_path / "a.npy")).first.dtype == np.float64
    assert given("--inputs", str(tmp_path / "a.pt")).arrays["u"].shape == (2, 3)


def test_an_image_is_prepared_as_for_imagenet(tmp_path: Path) -> None:
    from PIL import Image

    from resnet_torch.published import preprocess

    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (250, 300, 3), dtype=np.uint8))
    image.save(tmp_path / "a.png")
    x = given("--inputs", str(tmp_path / "a.png")).first
    assert np.array_equal(x[0], preprocess(image, "resnet50", "IMAGENET1K_V1").astype(np.float64))


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", a=np.array([object()], dtype=object))
    np.save(tmp_path / "scalar.npy", np.float64(1))
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "a.pt").write_bytes(b"no tensors")
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "a.txt").write_text("1 2 3")
    for name in ("objects.npz", "scalar.npy", "a.npz", "a.pt", "a.png", "a.txt", "missing.npz"):
        with pytest.raises(ParityError) as raised:
            given("--inputs", str(tmp_path / name))
        assert name in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "ids",
        "=12",
        "ids=a",
        "ids=0",
        "ids=12:float128",
        "ids=12:int64:9-2",
        "ids=12:bool:0-1",
        "i=1:uint8:0-300",
        "i=1:int:0-.5",
    ],
)
def test_specs_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        input_spec(text)


@pytest.mark.parametrize("text", ["ids=12:int64:0-1000", "x=3,8,8", "t=:float32:-1-1", "mask=12:bool"])
def test_a_spec_is_written_as_it_was_read(text: str) -> None:
    assert str(input_spec(text)) == text


def test_one_option_says_it() -> None:
    with pytest.raises(TargetError, match=r"--input-shape and --input give them twice"):
        given("--input-shape", "3", "--input", "a=3")
    with pytest.raises(TargetError, match=r"a is given twice"):
        given("--input", "a=3", "--input", "a=4")


def test_the_command(tmp_path: Path) -> None:
    words = "--input", "ids=6:int64:0-50", "--input", "kinds=6", "--input"
    (tmp_path / "map.yaml").write_text("m: mask\n")
    done = run(*OWN, *words, "m=6:bool", "--map", str(tmp_path / "map.yaml"), "--json", "-")
    assert done.returncode == 0, done.stderr
    inputs = json.loads(done.stdout)["environment"]["inputs"]
    assert [entry["name"] for entry in inputs] == ["ids", "kinds", "m"]
    done = run(*OWN, "--input", "ids=6:int64:0-80", "--input", "kinds=6", "--input", "mask=6:bool")
    assert done.returncode == 2
    assert done.stderr.startswith("parity.check: the input ids goes into an embedding")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_traces_keep_all_inputs(tmp_path: Path) -> None:
    words = *OWN, "--input", "ids=6:int64:0-50", "--input", "kinds=6", "--input", "mask=6:bool"
    first, second = str(tmp_path / "torch.trace"), str(tmp_path / "keras.trace")
    done = run("--framework", "torch", "--output", first, *words, module="parity.capture")
    assert done.returncode == 0, done.stderr
    done = run("--framework", "keras", "--against", first, "--output", second, *words, module="parity.capture")
    assert done.returncode == 0, done.stderr
    done = run(first, second, module="parity.compare")
    assert done.returncode == 0, done.stderr
