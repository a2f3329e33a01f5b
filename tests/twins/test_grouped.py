"""Grouped convolutions with oneDNN and without, as TensorFlow chooses by the processor: in processes of their own."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.grouped import block_diagonal_convolution

from .helpers import run_python

ONEDNN = pytest.mark.parametrize("onednn", ["0", "1"])

MODEL = """
import sys
from dataclasses import replace
import keras, numpy as np, tensorflow as tf, resnet_keras
from resnet_keras.grouped import has_gradient

def model(**options):
    row = resnet_keras.VARIANTS["cifar_resnext29_8x64d"]
    small = dict(depths=(1, 1, 1), width_per_group=8, input_size=8, num_classes=3)
    return resnet_keras.ResNet(replace(row, **small | options))

def gap(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())

x = np.random.default_rng(0).standard_normal((4, 8, 8, 3), dtype="float32")
y = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
"""

EVERYTHING = """
net = model()
net.compile(keras.optimizers.SGD(0.01), "mse")
net.fit(x, y, batch_size=2, verbose=0)
assert np.isfinite(net.evaluate(x, y, verbose=0))
eager = net(x)
gaps = {
    "predict": gap(net.predict(x, batch_size=2, verbose=0), eager),
    "function": gap(tf.function(lambda x: net(x))(x), eager),
    "xla": gap(tf.function(lambda x: net(x), jit_compile=True)(x), eager),
    "folded": gap(resnet_keras.fold_batch_norm(net).predict(x, verbose=0), eager),
}
net.export(sys.argv[1] + "/exported", verbose=False)
exported = tf.saved_model.load(sys.argv[1] + "/exported")
gaps["exported"] = gap(exported.serve(x), eager)
net.save(sys.argv[1] + "/net.keras")
gaps["loaded"] = gap(keras.saving.load_model(sys.argv[1] + "/net.keras").predict(x, verbose=0), eager)
np.save(sys.argv[1] + "/eager.npy", eager)
for policy in ("float64", "mixed_bfloat16", "mixed_float16"):
    keras.config.set_dtype_policy(policy)
    other = model()
    other.set_weights(net.get_weights())
    gaps[policy] = gap(other.predict(x, verbose=0), eager)
    other.compile(keras.optimizers.SGD(0.01), "mse")
    assert np.isfinite(other.train_on_batch(x, y))
print(has_gradient("float32", "/device:CPU:0"))
for name, found in gaps.items():
    assert found <= (0.1 if "mixed" in name else 1e-5), (name, found)
"""


@ONEDNN
def test_a_resnext_does_all_that_a_network_does(onednn: str, tmp_path: Path) -> None:
    """predict, evaluate, fit, compiled, folded, exported and saved; in float64 and with mixed precision."""
    code = MODEL + EVERYTHING.replace("sys.argv[1]", repr(str(tmp_path)))
    has_gradient = run_python(code, TF_ENABLE_ONEDNN_OPTS=onednn).strip()
    assert onednn == "1" or has_gradient == "False"


LOAD = """
import numpy as np, tensorflow as tf
x = np.random.default_rng(0).standard_normal((4, 8, 8, 3), dtype="float32")
exported = tf.saved_model.load({folder!r} + "/exported")
print(np.abs(np.asarray(exported.serve(x)) - np.load({folder!r} + "/eager.npy")).max())
"""
EXPORT = """
net = model()
np.save({folder!r} + "/eager.npy", net(x))
net.export({folder!r} + "/exported", verbose=False)
"""
FUSED = """
from resnet_keras import grouped
grouped.has_gradient, grouped._unfused = lambda *_: True, lambda outputs: outputs
"""


def test_what_one_machine_exports_runs_on_another(tmp_path: Path) -> None:
    """A graph made with oneDNN, run without it; were its convolutions left as they are, it would not run at all."""
    run_python(MODEL + EXPORT.format(folder=str(tmp_path)), TF_ENABLE_ONEDNN_OPTS="1")
    load = LOAD.format(folder=str(tmp_path))
    assert float(run_python(load, TF_ENABLE_ONEDNN_OPTS="0")) <= 1e-5
    run_python(FUSED + MODEL + EXPORT.format(folder=str(tmp_path)), TF_ENABLE_ONEDNN_OPTS="1")
    with pytest.raises(AssertionError, match="does not support grouped convolutions"):
        run_python(load, TF_ENABLE_ONEDNN_OPTS="0")


@pytest.mark.slow
@ONEDNN
def test_the_example_with_a_resnext(onednn: str, tmp_path: Path) -> None:
    words = ["--size", "4", "--batch-size", "1", "--repeats", "1", "--plot", str(tmp_path / "a.png")]
    code = f"from examples import resnext_forms\nraise SystemExit(resnext_forms.main({words!r}))"
    assert run_python(code, TF_ENABLE_ONEDNN_OPTS=onednn).count("32 branches, summed") == 2


def of_each_group(x: np.ndarray, kernel: np.ndarray, stride: int, dilation: int) -> list[np.ndarray]:
    """What a grouped convolution is: a dense one a group. Output, and the gradients of half its square."""
    groups = x.shape[-1] // kernel.shape[2]
    variables = [tf.constant(x), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        parts = zip(tf.split(variables[0], groups, -1), tf.split(variables[1], groups, -1), strict=True)
        y = tf.concat([tf.nn.convolution(a, b, 1, "VALID", dilations=dilation) for a, b in parts], -1)
        y = y[:, ::stride, ::stride]
        loss = tf.reduce_sum(y**2) / 2
    return [y.numpy(), *(gradient.numpy() for gradient in tape.gradient(loss, variables))]


@pytest.mark.parametrize("width", [1, 3, 4, 8, 24, 1000])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize(("groups", "outputs"), [(12, 12), (6, 30), (24, 24)])
def test_block_diagonal_convolutions(groups: int, outputs: int, stride: int, dilation: int, width: int) -> None:
    """Of any width, also one that the groups do not divide into, in float64 with gradients."""
    draw = np.random.default_rng(0)
    x, kernel = draw.normal(size=(2, 9, 8, 24)), draw.normal(size=(3, 3, 24 // groups, outputs))
    variables = [tf.constant(x), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        y = block_diagonal_convolution(*variables, (stride, stride), "VALID", (dilation, dilation), width)
        loss = tf.reduce_sum(y**2) / 2
    found = [y, *tape.gradient(loss, variables)]
    for actual, expected in zip(found, of_each_group(x, kernel, stride, dilation), strict=True):
        assert np.abs(actual.numpy() - expected).max() <= 1e-12 * np.abs(expected).max()
