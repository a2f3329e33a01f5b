"""What several files of these tests take as given: one valid file of each format."""

from pathlib import Path

import pytest
import torch

import parity

from .helpers import SMALL, random_tensors, save_safetensors

FORMATS = (".safetensors", ".weights.h5", ".h5", ".keras", ".pth", ".pt")
GOOD = b"a good file that was there before"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid file of each format. The .pt is in torch's older form."""
    folder = tmp_path_factory.mktemp("valid")
    source = save_safetensors(folder / "x.safetensors", random_tensors(), SMALL)
    for suffix in FORMATS[1:5]:
        parity.convert(source, folder / f"x{suffix}")
    state = torch.load(folder / "x.pth", weights_only=True)
    torch.save(state, folder / "x.pt", _use_new_zipfile_serialization=False)
    return {suffix: folder / f"x{suffix}" for suffix in FORMATS}
