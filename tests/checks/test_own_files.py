"""Files of one's own models: what they are, their bytes say; numbers that are none are told before anything is run."""

from pathlib import Path

import pytest
import torch

import parity
from parity.convert import main as convert
from parity.errors import ParityError

from .owned import TorchImage, keras_image

HERE = "tests.checks.owned"
IMAGE = ["--torch", f"{HERE}:TorchImage", "--keras", f"{HERE}:keras_image", "--input-shape", "3,8,8"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(TorchImage().state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.mark.parametrize("saved", [".weights.h5", ".keras", ".h5"])
def test_a_keras_file_by_its_bytes(saved: str, source: Path, tmp_path: Path) -> None:
    parity.convert_model(source, tmp_path / f"mid{saved}", TorchImage, keras_image)
    for name in ("net.ckpt", "net.h5" if saved != ".h5" else "net.weights.h5"):
        (tmp_path / f"mid{saved}").rename(tmp_path / name)
        done = parity.convert_model(tmp_path / name, tmp_path / "back.pth", TorchImage, keras_image)
        assert done.report is not None
        assert done.report.ok
        (tmp_path / name).rename(tmp_path / f"mid{saved}")


def test_a_checkpoint_of_tensorflow_is_not_a_keras_model_s_file(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(model=keras_image()).write(str(tmp_path / "ckpt"))
    with pytest.raises(ParityError, match=r"load it into the model with tf\.train\.Checkpoint\(model=model\)\.read"):
        parity.convert_model(tmp_path / "ckpt.index", tmp_path / "back.pth", TorchImage, keras_image)


def test_numbers_that_are_none_are_told_before_anything_is_compared(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(source)
    name = next(name for name, tensor in state.items() if tensor.ndim > 1)
    state[name][0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    command = [str(tmp_path / "nan.pth"), str(tmp_path / "out.weights.h5"), *IMAGE]
    assert convert(command) == 2
    assert f"holds NaN or infinity in {name}; nothing was written: give --no-check" in capsys.readouterr().err
    assert convert([*command, "--no-check"]) == 0
    assert "written as they are" in capsys.readouterr().out
