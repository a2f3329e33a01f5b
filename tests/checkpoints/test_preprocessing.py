"""What comes before a network: both packages' `preprocess` gives torchvision's pixels for every published row."""

import numpy as np
import pytest

import resnet_keras
import resnet_torch
from resnet_torch import published


@pytest.mark.parametrize("shape", [(300, 400, 3), (500, 333, 3), (256, 256, 3), (64, 90, 3)])
def test_preprocessing_is_the_same_and_torchvisions(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    made = resnet_torch.preprocess(image, "resnet50", "IMAGENET1K_V2")
    assert made.shape == (3, 224, 224)
    assert made.dtype == np.float32
    assert made.tobytes() == resnet_keras.preprocess(image, "resnet50", "IMAGENET1K_V2").tobytes()
    from .libraries import library

    library("torchvision")
    from PIL import Image
    from torchvision.models._api import WeightsEnum
    from torchvision.models.resnet import ResNet50_Weights

    assert issubclass(ResNet50_Weights, WeightsEnum)
    row = published.published("resnet50", "IMAGENET1K_V2")
    theirs = ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert ([row.resize], [row.crop]) == (theirs.resize_size, theirs.crop_size)
    assert np.abs(made - theirs(Image.fromarray(image)).numpy()).max() < 1e-5


def test_every_row_has_torchvisions_preprocessing() -> None:
    from .libraries import library

    library("torchvision")
    import torchvision.models.resnet as theirs

    classes = {
        each.removesuffix("_Weights").lower(): getattr(theirs, each) for each in dir(theirs) if "_Weights" in each
    }
    for name, rows in published.PUBLISHED.items():
        for tag, row in rows.items():
            entry = classes[name][tag]
            made = entry.transforms()
            assert ([row.resize], [row.crop]) == (made.resize_size, made.crop_size), f"{name} {tag}"
            assert (list(row.mean), list(row.std)) == (made.mean, made.std)
            assert f"-{row.sha256}." in entry.url
