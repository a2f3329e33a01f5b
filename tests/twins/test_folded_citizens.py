"""A folded network is a network: saved, loaded, shown, in its dtype, and its original is left as it was."""

from pathlib import Path

import keras
import numpy as np
import torch

import resnet_keras
import resnet_torch

from .folding import nets, pixels, row, run_keras, run_torch
from .helpers import gap, run_python


def test_the_original_is_left_as_it_was() -> None:
    ours, theirs = nets(row("resnet18"), "float32")
    x = pixels(ours.config, "float32")
    state = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    weights, outputs = theirs.get_weights(), (run_torch(ours, x), run_keras(theirs, x))
    config = theirs.get_config()
    folded, twin = resnet_torch.fold_batch_norm(ours), resnet_keras.fold_batch_norm(theirs)
    for tensor in (*folded.parameters(), *twin.weights):
        tensor.data.fill_(7.0) if isinstance(tensor, torch.Tensor) else tensor.assign(keras.ops.full(tensor.shape, 7.0))
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())
    assert all(np.array_equal(was, now) for was, now in zip(weights, theirs.get_weights(), strict=True))
    assert theirs.get_config() == config
    assert all(parameter.requires_grad for parameter in ours.parameters())
    assert theirs.trainable
    assert theirs.conv1.bias is None
    np.testing.assert_array_equal(run_torch(ours, x), outputs[0])
    np.testing.assert_array_equal(run_keras(theirs, x), outputs[1])


def test_a_folded_keras_network_saves_loads_and_shows_itself(tmp_path: Path) -> None:
    theirs = nets(row("resnext50_32x4d"), "float32")[1]
    x = pixels(theirs.config, "float32").transpose(0, 2, 3, 1)
    folded = resnet_keras.fold_batch_norm(theirs)
    folded.save(tmp_path / "folded.keras")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", folded(x))
    code = f"""
import keras, numpy as np, resnet_keras
model = keras.models.load_model("{tmp_path}/folded.keras")
print(np.array_equal(model(np.load("{tmp_path}/x.npy")), np.load("{tmp_path}/y.npy")), model.trainable)
print(type(model.layer1.layers[0].bn2).__name__, len(model.weights))
"""
    assert run_python(code).split() == ["True", "False", "Identity", str(len(folded.weights))]
    folded.save_weights(tmp_path / "folded.weights.h5")
    fresh = resnet_keras.ResNet.from_config(folded.get_config())
    fresh.load_weights(tmp_path / "folded.weights.h5")
    np.testing.assert_array_equal(fresh(x), folded(x))
    outputs = resnet_keras.intermediate_outputs(folded, x, ["layer1.0.conv2", "layer1.0.bn2", "layer4"])
    expected = resnet_keras.intermediate_outputs(theirs, x, ["layer1.0.bn2", "layer4"])
    np.testing.assert_array_equal(outputs["layer1.0.conv2"], outputs["layer1.0.bn2"])
    for path, output in expected.items():
        assert gap(outputs[path], output) <= 1e-5
    lines: list[str] = []
    folded.summary(print_fn=lines.append, expand_nested=True, line_length=200)
    assert "?" not in "".join(lines)
    assert f"Total params: {folded.count_params():,}" in "".join(lines)
    folded.export(tmp_path / "saved", verbose=False)
    assert gap(folded.predict(x, verbose=0), folded(x)) <= 1e-5


def test_a_folded_block_within_another_model_saves_and_loads(tmp_path: Path) -> None:
    block = resnet_keras.Bottleneck(6, 4, 2)
    x = np.random.default_rng(0).random((2, 9, 8, 6), "float32")
    block(x)
    inputs = keras.Input((9, 8, 6))
    model = keras.Model(inputs, resnet_keras.fold_batch_norm(block)(inputs))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))
    assert gap(model(x), block(x)) <= 1e-6


def test_a_folded_torch_network_has_its_state_dict(tmp_path: Path) -> None:
    ours = nets(row("resnet18"), "float32")[0]
    x = pixels(ours.config, "float32")
    folded = resnet_torch.fold_batch_norm(ours)
    torch.save(folded.state_dict(), tmp_path / "folded.pth")
    fresh = resnet_torch.fold_batch_norm(resnet_torch.ResNet(ours.config).eval())
    fresh.load_state_dict(torch.load(tmp_path / "folded.pth", weights_only=True), strict=True)
    np.testing.assert_array_equal(run_torch(fresh, x), run_torch(folded, x))
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not any(module.training for module in folded.modules())


ON_TORCH = """
import sys
sys.modules["tensorflow"] = None
import keras, numpy as np, resnet_keras
from resnet_keras import ResNet, ResNetConfig
model = ResNet(ResNetConfig("bottleneck", (1, 1), (8, 16), groups=2, width_per_group=64, bias=True))
x = np.random.default_rng(0).random((4, 33, 33, 3), "float32")
model.compile("sgd", "mse")
model.train_on_batch(x, np.zeros((4, 1000)))
folded = resnet_keras.fold_batch_norm(model)
expected = keras.ops.convert_to_numpy(model(x))
print(np.abs(keras.ops.convert_to_numpy(folded(x)) - expected).max() <= 1e-5 * np.abs(expected).max())
folded.save("{path}")
print(np.array_equal(*(keras.ops.convert_to_numpy(m(x)) for m in (keras.models.load_model("{path}"), folded))))
print(type(folded.layer1.layers[0].bn1).__name__, len(folded.weights))
"""


def test_on_keras_torch_backend(tmp_path: Path) -> None:
    printed = run_python(ON_TORCH.format(path=tmp_path / "model.keras"), KERAS_BACKEND="torch").split()
    assert printed == ["True", "True", "Identity", "20"]
