"""A network that a file calls by another's name is refused, and one that is another family's by its tensors' names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

import parity
from parity.checkpoints.foreign import family
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError

from .helpers import SMALL, convert, random_tensors, save_safetensors

OTHER = {
    "timm": {"arch": "resnetaa50"},
    "blur": {"arch": "resnetblur50.bt_in1k"},
    "args": {"args": {"model": "timm/resnetaa50.a1h_in1k"}},
    "lightning": {"hyper_parameters": {"backbone": "resnetblur18"}},
    "segmentation": {"model_name": "deeplabv3_resnet50"},
    "gelu": {"arch": "resnet50_gelu"},
}


def state(name: str = SMALL, **options: Any) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(array) for key, array in random_tensors(name, **options).items()}


@pytest.mark.parametrize("case", OTHER)
def test_another_network_s_name_beside_the_tensors(case: str, tmp_path: Path, capsys: Any) -> None:
    torch.save({"state_dict": state(), **OTHER[case]}, tmp_path / "in.pth")
    assert convert(tmp_path / "in.pth", tmp_path / "out.safetensors") == 2
    said = capsys.readouterr().err
    assert "with the very tensors of one of ours" in said
    assert "--model" in said
    assert convert(tmp_path / "in.pth", tmp_path / "out.safetensors", "--model", SMALL) == 0


@pytest.mark.parametrize("name", ["resnetaa50_a1h-4cf422b3.safetensors", "timm_resnetblur18-84f4748f.safetensors"])
def test_the_file_s_own_name(name: str, tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / name, random_tensors())
    with pytest.raises(CheckpointError, match=r"the name of .* must name a network that can be written"):
        read_source(source)
    assert read_source(source, SMALL).architecture.name == SMALL


def test_metadata_of_safetensors(tmp_path: Path) -> None:
    tensors = random_tensors()
    for metadata in ({"architecture": "resnetaa50"}, {"config": '{"architecture": "resnetblur50"}'}):
        safetensors.numpy.save_file(tensors, tmp_path / "in.safetensors", metadata=metadata)
        with pytest.raises(CheckpointError, match="very tensors"):
            read_source(tmp_path / "in.safetensors")
    stated = '{"model_type": "resnet", "hidden_act": "gelu", "depths": [2, 2, 2, 2]}'
    source = tmp_path / "hf.safetensors"
    parity.convert(save_safetensors(tmp_path / "a.safetensors", random_tensors("resnet18", num_classes=3)), source)
    parity.convert(source, source, naming="transformers")
    held = safetensors.numpy.load_file(source)
    safetensors.numpy.save_file(held, source, metadata={"config": stated})
    with pytest.raises(CheckpointError, match="hidden_act is 'gelu'"):
        read_source(source)


@pytest.mark.parametrize(
    ("said", "expected"), [("cifar_plain20", "cifar_plain20"), ("CIFAR-ResNet20", SMALL), ("x", SMALL)]
)
def test_a_name_of_ours_chooses_among_equals(said: str, expected: str, tmp_path: Path) -> None:
    torch.save({"state_dict": state(), "arch": said}, tmp_path / "in.pth")
    assert read_source(tmp_path / "in.pth").architecture.name == expected


def test_a_name_of_ours_that_the_tensors_deny_decides_nothing(tmp_path: Path) -> None:
    torch.save({"state_dict": state(), "arch": "resnet50"}, tmp_path / "in.pth")
    assert read_source(tmp_path / "in.pth").architecture.name == SMALL


FAMILIES = {
    "Caffe": [f"res2{block}_branch2{part}/kernel" for block in "abc" for part in "ab"],
    "TF-slim": ["resnet_v1_50/block1/unit_1/bottleneck_v1/conv1/weights"],
    "Flax": ["params/BottleneckResNetBlock_0/Conv_0/kernel"],
    "keras_cv": ["v2_stack_0_block1_1_conv/vars/0"],
    "classification_models": ["stage1_unit1_conv1/kernel"],
    "BiT": ["block1.unit01.conv1.weight"],
    "IBN": ["layer1.0.bn1.IN.weight"],
    "pruned": ["conv1.weight_orig", "conv1.weight_mask"],
    "CLIP": ["visual.attnpool.q_proj.weight"],
    "squeeze": ["layer1.0.se.fc1.weight"],
    "three": ["conv1.0.weight", "conv1.3.weight"],
    "v2": ["stages.0.blocks.0.conv1.weight"],
    "ResNeSt": ["layer1.0.conv2.fc1.weight"],
    "vision transformer": ["blocks.0.attn.qkv.weight"],
    "words": ["bert.encoder.layer.0.attention.self.query.weight"],
}


@pytest.mark.parametrize("told", FAMILIES)
def test_families_are_named(told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = family(FAMILIES[told])
    assert found is not None
    assert told in found.what
    tensors = dict.fromkeys([*FAMILIES[told], "conv1.weight"], np.zeros((3, 3), "f4"))
    safetensors.numpy.save_file(tensors, tmp_path / "in.safetensors")
    assert convert(tmp_path / "in.safetensors", tmp_path / "out.pth") == 2
    said = capsys.readouterr().err
    assert told in said
    assert found.step in said
    assert len(said) <= 620


def test_no_row_of_families_knows_our_own_names() -> None:
    from parity.checkpoints.naming import to_stored
    from parity.checkpoints.schemes import SCHEMES, STYLES

    networks = [list(random_tensors(name)) for name in ("resnet18", "resnet50_keras", SMALL)]
    for scheme in SCHEMES:
        for style in STYLES[scheme.layout]:
            for keys in networks:
                stored = [to_stored(scheme, style, key) for key in keys]
                assert family([each.name for each in stored if each is not None]) is None, scheme.name


def test_what_tensors_do_not_tell_is_said(tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors("resnet18", num_classes=3))
    (told,) = read_source(source).notes
    assert told == (
        "in.safetensors does not tell strides, padding, dilation, activation or eps: taken as resnet18's (eps 1e-05); "
        "--model names another"
    )
    assert read_source(source, "resnet18").notes == ()


def test_a_square_head_is_said(tmp_path: Path) -> None:
    source = save_safetensors(tmp_path / "in.safetensors", random_tensors(SMALL, num_classes=64), SMALL)
    (told,) = read_source(source).notes
    assert "does not tell in which order the axes of its square head [64, 64] lie: taken as (out, in)" in told


def test_a_head_the_other_way_round_is_named(tmp_path: Path) -> None:
    tensors = random_tensors()
    tensors["fc.weight"] = np.ascontiguousarray(tensors["fc.weight"].T)
    with pytest.raises(CheckpointError, match=r"1 of another shape: fc.weight \[64, 10\] for \[10, 64\]"):
        read_source(save_safetensors(tmp_path / "in.safetensors", tensors))


def test_counters_that_were_saved_with_the_floats(tmp_path: Path) -> None:
    held = state()
    held |= {name.replace("running_var", "num_batches_tracked"): torch.tensor(7.0) for name in held if "var" in name}
    torch.save(held, tmp_path / "in.pth")
    parity.convert(tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert safetensors.numpy.load_file(tmp_path / "out.safetensors")["bn1.num_batches_tracked"] == np.array(7, "i8")
    held["bn1.num_batches_tracked"] = torch.tensor(7.5)
    torch.save(held, tmp_path / "in.pth")
    with pytest.raises(CheckpointError, match=r"1 of a type that no weight has: bn1.num_batches_tracked"):
        read_source(tmp_path / "in.pth")


def test_views_of_one_buffer_are_sound(tmp_path: Path) -> None:
    """A flat buffer of all parameters, as sharded training keeps them, and two names of one tensor."""
    held = state()
    flat = torch.cat([tensor.reshape(-1) for tensor in held.values()])
    parts = torch.split(flat, [tensor.numel() for tensor in held.values()])
    views = {name: part.view(tensor.shape) for (name, tensor), part in zip(held.items(), parts, strict=True)}
    for older in (True, False):
        torch.save(views, tmp_path / "in.pth", _use_new_zipfile_serialization=older)
        found = read_source(tmp_path / "in.pth").tensors
        assert all(np.array_equal(found[name].value, tensor.numpy()) for name, tensor in held.items())


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none_are_said(number: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = random_tensors()
    tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = number
    source = save_safetensors(tmp_path / "in.safetensors", tensors, SMALL)
    assert convert(source, tmp_path / "out.weights.h5") == 0
    assert "holds NaN or infinity in layer1/0/conv1/vars/0: written as they are" in capsys.readouterr().out
    assert convert(source, tmp_path / "out.weights.h5", "--verify") == 2
    assert "must hold finite numbers to be compared" in capsys.readouterr().err
