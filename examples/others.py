"""The two ResNet-50s that most people have, torchvision's and keras.applications', as a pair for `parity.check`.

python -m parity.check --torch examples.others:torchvision_resnet50 --keras examples.others:applications_resnet50 \
    --input-shape 3,224,224
"""

from typing import Any


def torchvision_resnet50() -> Any:
    """He et al. 2015 with the stride in the 3x3 convolution ("v1.5"), random weights, logits (N, 1000)."""
    import torch

    try:
        from torchvision.models import resnet50
    except RuntimeError:  # its compiled operators are not of this torch; no ResNet uses any, so names are enough
        for name in ("nms", "qnms"):
            LIBRARY.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
            LIBRARY[-1].define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        from torchvision.models import resnet50
    return resnet50(weights=None)


LIBRARY: list[Any] = []  # what is declared is there for as long as this holds it


def applications_resnet50() -> Any:
    """He et al. 2015 with the stride in the first 1x1 convolution ("v1"), random weights, logits (N, 1000)."""
    import keras

    return keras.applications.ResNet50(weights=None, classifier_activation=None)
