"""Timed pieces of work in a process of their own: `python -m benchmarks.steps WARM_UP NAME ...`.

It prepares and warms up, prints "ready", and then, for every name on a line of stdin, does that work once and prints
the seconds that it took, and those that the processors worked for it.
A process per framework keeps its threads and memory apart from the other's; `benchmarks.train` lets them take turns.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

BATCH = 8
LOSS = {"from_logits": True}
MATRIX = 4096  # large enough that a product runs at the cores' full rate
Work = Callable[[], Any]


def pixels(size: int) -> np.ndarray:
    """A batch of images (N, H, W, C)."""
    return np.random.default_rng(0).standard_normal((BATCH, size, size, 3), dtype=np.float32)


def labels() -> np.ndarray:
    """A class for every image; the CIFAR networks have ten."""
    return np.arange(BATCH)


def keras_step(model: Any, size: int) -> Work:
    """`train_on_batch` with SGD and momentum."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    x, y = pixels(size), labels()
    return lambda: model.train_on_batch(x, y)


def keras_predict(model: Any, size: int = 224) -> Work:
    """`predict` on one batch."""
    x = pixels(size)
    return lambda: model.predict(x, batch_size=BATCH, verbose=0)


def torch_images(size: int, channels_last: bool = False) -> Any:
    """The same batch as a tensor (N, C, H, W)."""
    import torch

    x = torch.from_numpy(pixels(size)).permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def torch_step(model: Any, size: int, channels_last: bool = False) -> Work:
    """A training step with SGD and momentum."""
    import torch

    x, y = torch_images(size, channels_last), torch.from_numpy(labels())
    if channels_last:
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_forward(model: Any, channels_last: bool = False) -> Work:
    """A forward pass without gradients."""
    import torch

    x = torch_images(224, channels_last)
    return torch.inference_mode()(lambda: model(x))


def stock_resnext(name: str, **options: Any) -> Any:
    """Our ResNeXt made of stock Keras convolutions and norms."""
    import keras

    import resnet_keras

    class Conv2D(keras.layers.Conv2D):
        """Stock but for its arguments: padding in pixels is "same", which costs nothing."""

        def __init__(self, filters: int, kernel_size: int, strides: int = 1, **options: Any) -> None:
            options = {key: options[key] for key in ("use_bias", "groups") if key in options}
            super().__init__(filters, kernel_size, strides, "same", **options)

    resnet_keras.resnet.Conv2D = resnet_keras.blocks.Conv2D = Conv2D
    resnet_keras.resnet.BatchNormalization = keras.layers.BatchNormalization
    resnet_keras.blocks.BatchNormalization = keras.layers.BatchNormalization
    return getattr(resnet_keras, name)(**options)


def applications() -> Any:
    """keras.applications' ResNet-50, with logits."""
    import keras

    return keras.applications.ResNet50(weights=None, classifier_activation=None)


def ours_in_keras(name: str = "resnet50", folded: bool = False, **options: Any) -> Any:
    """Our network in Keras."""
    import resnet_keras

    model = getattr(resnet_keras, name)(**options)
    return resnet_keras.fold_batch_norm(model) if folded else model


def ours_in_torch(folded: bool = False) -> Any:
    """Our ResNet-50 in torch, for inference."""
    import resnet_torch

    model = resnet_torch.resnet50().eval()
    return resnet_torch.fold_batch_norm(model) if folded else model


def torchvision_model(name: str = "resnet50") -> Any:
    """torchvision's network."""
    from tests.twins.torchvision_oracle import torchvision_models

    return getattr(torchvision_models(), name)().eval()


def keras_matmul() -> Work:
    """A large float32 matrix product on TensorFlow."""
    import tensorflow as tf

    a, b = (tf.random.normal((MATRIX, MATRIX)) for _ in range(2))
    return lambda: tf.matmul(a, b).numpy()[0, 0]


def torch_matmul() -> Work:
    """A large float32 matrix product on torch."""
    import torch

    a, b = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    return lambda: torch.mm(a, b)


def resnext(work: Callable[[Any, int], Work], build: Callable[..., Any], name: str) -> Work:
    """A piece of work of a ResNeXt on images of 64 pixels a side."""
    return work(build(name, input_size=64), 64)


RESNEXTS = ("resnext50_32x4d", "resnext101_32x8d", "cifar_resnext29_8x64d", "cifar_resnext29_16x64d")
WORKS: dict[str, Callable[[], Work]] = {
    **{f"keras {name} step": partial(resnext, keras_step, ours_in_keras, name) for name in RESNEXTS},
    **{f"stock {name} step": partial(resnext, keras_step, stock_resnext, name) for name in RESNEXTS},
    **{f"keras {name} predict": partial(resnext, keras_predict, ours_in_keras, name) for name in RESNEXTS},
    **{f"stock {name} predict": partial(resnext, keras_predict, stock_resnext, name) for name in RESNEXTS},
    "torchvision resnext50_32x4d step": lambda: torch_step(
        torchvision_model("resnext50_32x4d"), 64, channels_last=True
    ),
    "keras resnet50 step": lambda: keras_step(ours_in_keras(), 224),
    "keras resnet50_keras step": lambda: keras_step(ours_in_keras("resnet50_keras"), 224),
    "applications resnet50 step": lambda: keras_step(applications(), 224),
    "keras resnet50 predict": lambda: keras_predict(ours_in_keras()),
    "keras folded predict": lambda: keras_predict(ours_in_keras(folded=True)),
    "applications resnet50 predict": lambda: keras_predict(applications()),
    "torch resnet50 step": lambda: torch_step(ours_in_torch(), 224),
    "torchvision resnet50 step": lambda: torch_step(torchvision_model(), 224),
    "torch resnet50 forward": lambda: torch_forward(ours_in_torch()),
    "torch folded forward": lambda: torch_forward(ours_in_torch(folded=True), channels_last=True),
    "torchvision resnet50 forward": lambda: torch_forward(torchvision_model()),
    "keras matrix product": keras_matmul,
    "torch matrix product": torch_matmul,
}


def main(warm_up: int, names: list[str]) -> None:
    """Prepare the works in this order, do each `warm_up` times, and then those that stdin names."""
    works = {name: WORKS[name]() for name in names}
    for work in works.values():
        for _ in range(warm_up):
            work()
    print("ready", flush=True)
    for line in sys.stdin:
        start, worked = time.perf_counter(), time.process_time()
        works[line.strip()]()
        print(time.perf_counter() - start, time.process_time() - worked, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
