"""resnet_keras on Keras's other backends: forward and one training step, the same numbers as on TensorFlow."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import resnet_keras
from resnet_keras import VARIANTS, ResNetConfig

from .helpers import gap, run_python

# Small ones: a float32 rounding in ResNeXt-50's norms over 2x2 pixels grows to 1e-2 in one training step.
NETS = {
    "imagenet": replace(VARIANTS["resnet18"], depths=(1, 1), widths=(8, 16), input_size=33, num_classes=4),
    "cifar": replace(VARIANTS["cifar_resnet20"], num_classes=4),
    "same": replace(
        VARIANTS["resnet18_d2l"], depths=(1, 1), widths=(8, 16), input_size=33, in_channels=3, num_classes=4
    ),
    "grouped": ResNetConfig("bottleneck", (1, 1), (8, 16), "cifar", groups=4, width_per_group=32, input_size=33),
}
# Keras's batch norm on PyTorch computes in float32 whatever the type, so its rounding is what remains.
BOUND = 1e-5
ELSEWHERE = """
import sys
sys.modules["tensorflow"] = None  # it must not be needed
import keras, numpy as np, resnet_keras
from resnet_keras import ResNetConfig
assert keras.config.backend() == "{backend}"
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
x = np.load("{folder}/x.npy")
for name, config in {nets}.items():
    model = resnet_keras.ResNet(config)
    model.load_weights(f"{folder}/{{name}}.weights.h5")
    np.save(f"{folder}/{{name}}.before.npy", keras.ops.convert_to_numpy(model(x)))
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(x, np.arange(4))
    np.save(f"{folder}/{{name}}.after.npy", keras.ops.convert_to_numpy(model(x)))
    outputs = resnet_keras.intermediate_outputs(model, x, ["conv1", "layer1.0.relu", "fc"])
    np.save(f"{folder}/{{name}}.outputs.npy", keras.ops.convert_to_numpy(outputs["layer1.0.relu"]))
    model.save(f"{folder}/{{name}}.keras")
norm = resnet_keras.layers.BatchNormalization(momentum=0.0)
norm(x[:, :2, :2], training=True)
np.testing.assert_allclose(keras.ops.convert_to_numpy(norm.moving_variance), x[:, :2, :2].var((0, 1, 2), ddof=1), 1e-6)
"""


@pytest.mark.usefixtures("floatx64")
@pytest.mark.parametrize(
    ("backend", "names"),
    [
        pytest.param("torch", tuple(NETS), id="torch"),
        pytest.param("jax", ("same", "grouped"), id="jax"),
        pytest.param("jax", tuple(NETS), id="jax, all", marks=pytest.mark.slow),  # it compiles for each
    ],
)
def test_a_backend_computes_trains_and_saves_as_tensorflow(
    backend: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, so Keras cannot run on it")
    nets = {name: NETS[name] for name in names}
    x = np.random.default_rng(0).random((4, 33, 33, 3))
    np.save(tmp_path / "x.npy", x)
    keras.utils.set_random_seed(0)  # a norm whose variance starts near 0 would amplify the rounding
    models = {name: resnet_keras.ResNet(config) for name, config in nets.items()}
    for name, model in models.items():
        model.save_weights(tmp_path / f"{name}.weights.h5")
    code = ELSEWHERE.format(backend=backend, folder=tmp_path, nets=nets)
    run_python(code, KERAS_BACKEND=backend, JAX_ENABLE_X64="1")  # it computes in float64
    for name, model in models.items():
        assert gap(np.load(tmp_path / f"{name}.before.npy"), model(x)) < BOUND
        model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.train_on_batch(x, np.arange(4))
        assert gap(np.load(tmp_path / f"{name}.after.npy"), model(x)) < BOUND
        outputs = resnet_keras.intermediate_outputs(model, x, ["layer1.0.relu"])
        assert gap(np.load(tmp_path / f"{name}.outputs.npy"), outputs["layer1.0.relu"]) < BOUND
        assert gap(keras.models.load_model(tmp_path / f"{name}.keras")(x), model(x)) < BOUND
