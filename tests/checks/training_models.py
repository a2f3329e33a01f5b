"""Small pairs of models, and Keras halves with a fault planted; each is a factory for `--torch` or `--keras`.

A fault of the optimizer is planted where the model is compiled: `compile` gets the right one and spoils it.
"""

from collections.abc import Callable
from typing import Any

SHAPE = (3, 8, 8)
ROW = dict(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar", input_size=8, num_classes=5)
ROWS: dict[str, dict[str, Any]] = {
    "basic": ROW,
    "bottleneck": ROW | {"block": "bottleneck", "groups": 4, "width_per_group": 32},
    "residual": ROW | {"block": "residual", "stem": "same", "input_size": 16},
    "biased": ROW | {"bias": True, "shortcut": "A"},
}


def torch_model(name: str) -> Any:
    import resnet_torch

    return resnet_torch.ResNet(resnet_torch.ResNetConfig(**ROWS[name]))


def keras_model(name: str) -> Any:
    import resnet_keras

    return resnet_keras.ResNet(resnet_keras.ResNetConfig(**ROWS[name]))


def torch_basic() -> Any:
    return torch_model("basic")


def torch_bottleneck() -> Any:
    return torch_model("bottleneck")


def torch_residual() -> Any:
    return torch_model("residual")


def torch_biased() -> Any:
    return torch_model("biased")


def keras_basic() -> Any:
    return keras_model("basic")


def keras_bottleneck() -> Any:
    return keras_model("bottleneck")


def keras_residual() -> Any:
    return keras_model("residual")


def keras_biased() -> Any:
    return keras_model("biased")


def torch_flat() -> Any:
    """Of the same names as Keras's: that the dense kernel's rows lie otherwise shows when both run."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))


def keras_flat() -> Any:
    import keras
    from keras import layers

    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])


def cannot_train() -> Any:
    model = keras_basic()

    def fit(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such data")

    model.fit = fit
    return model


def _norms(model: Any) -> list[Any]:
    import keras

    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


def biased_variance() -> Any:
    """Keras's own batch norm in one place: its running variance is divided by n."""
    import types

    import keras

    model = keras_basic()
    norm = model.layer2.layers[0].bn1
    norm.call = types.MethodType(keras.layers.BatchNormalization.call, norm)
    return model


def wrong_norm_momentum() -> Any:
    model = keras_basic()
    model.layer1.layers[0].bn2.momentum = 0.95
    return model


def frozen_statistics() -> Any:
    """One norm on batch statistics that does not keep them."""
    import keras

    model = keras_basic()
    norm = model.bn1
    plain = norm.call

    def call(x: Any, training: Any = None, mask: Any = None) -> Any:
        before = [keras.ops.copy(norm.moving_mean), keras.ops.copy(norm.moving_variance)]
        y = plain(x, training=training)
        norm.moving_mean.assign(before[0])
        norm.moving_variance.assign(before[1])
        return y

    norm.call = call
    return model


def _compiled(spoil: Callable[[Any, Any], None], name: str = "basic") -> Any:
    model = keras_model(name)
    plain = model.compile

    def compile(optimizer: Any, **options: Any) -> None:
        spoil(optimizer, model)
        plain(optimizer=optimizer, **options)

    object.__setattr__(model, "compile", compile)
    return model


def wrong_momentum() -> Any:
    return _compiled(lambda optimizer, model: setattr(optimizer, "momentum", 0.8))


def wrong_epsilon() -> Any:
    return _compiled(lambda optimizer, model: setattr(optimizer, "epsilon", 1e-7))


def keras_epsilon() -> Any:
    """Keras's own Adam in place of the twin: the same epsilon, in another place."""
    import types

    import keras

    def spoil(optimizer: Any, model: Any) -> None:
        optimizer.update_step = types.MethodType(keras.optimizers.Adam.update_step, optimizer)

    return _compiled(spoil)


def wrong_beta() -> Any:
    return _compiled(lambda optimizer, model: setattr(optimizer, "beta_2", 0.99))


def bias_moved_twice() -> Any:
    """A bias before a norm that the optimizer moves twice as far as its rule: nothing but its own step shows it."""

    def spoil(optimizer: Any, model: Any) -> None:
        plain, bias = optimizer.update_step, model.layer1.layers[0].conv1.bias

        def update_step(gradient: Any, variable: Any, rate: Any) -> None:
            plain(gradient, variable, rate * (2 if variable is bias or variable is bias.value else 1))

        optimizer.update_step = update_step

    return _compiled(spoil, "biased")


def decay_everywhere() -> Any:
    """Weight decay on biases and norms too."""

    def spoil(optimizer: Any, model: Any) -> None:
        optimizer._exclude_from_weight_decay = set()
        optimizer._exclude_from_weight_decay_cache = {}

    return _compiled(spoil)


def decay_nowhere() -> Any:
    return _compiled(lambda optimizer, model: setattr(optimizer, "weight_decay", None))


def skipped_schedule_step() -> Any:
    """From the fourth step on the schedule is one behind."""
    import keras

    class Late(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, schedule: Any) -> None:
            self.schedule = schedule

        def __call__(self, step: Any) -> Any:
            return self.schedule(keras.ops.where(step >= 3, step - 1, step))

    return _compiled(lambda optimizer, model: setattr(optimizer, "_learning_rate", Late(optimizer._learning_rate)))


def torch_transposed() -> Any:
    from torch import nn

    convolution = nn.ConvTranspose2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
    return nn.Sequential(*convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


def keras_transposed() -> Any:
    import keras
    from keras import layers

    from resnet_keras.layers import BatchNormalization

    convolution = layers.Conv2DTranspose(4, 3), BatchNormalization(epsilon=1e-5, momentum=0.9), layers.ReLU()
    return keras.Sequential([keras.Input((9, 8, 3)), *convolution, layers.GlobalAveragePooling2D(), layers.Dense(5)])


def torch_dropout() -> Any:
    """Dropout in every form that both frameworks have, one of them a function."""
    import torch
    from torch import nn

    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.channels, self.alpha = nn.Conv2d(3, 4, 3), nn.Dropout2d(0.3), nn.AlphaDropout(0.2)
            self.fc = nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            x = self.alpha(self.channels(torch.relu(self.conv(x))))
            return self.fc(nn.functional.dropout(x.mean((2, 3)), 0.4, self.training))

    return Dropping()


def keras_dropout(rate: float = 0.4, whole: bool = True) -> Any:
    """The same. whole: whether channels are dropped as one."""
    import keras

    layers = keras.layers
    channels = layers.SpatialDropout2D(0.3) if whole else layers.Dropout(0.3)
    body = [layers.Conv2D(4, 3, activation="relu"), channels, layers.AlphaDropout(0.2), layers.GlobalAveragePooling2D()]
    last = [layers.Dropout(rate)] if rate else []
    return keras.Sequential([keras.Input((8, 8, 3)), *body, *last, layers.Dense(5)])


def dropout_of_another_rate() -> Any:
    return keras_dropout(0.5)


def dropout_of_another_shape() -> Any:
    return keras_dropout(whole=False)


def dropout_forgotten() -> Any:
    return keras_dropout(0.0)


def dropout_left_on() -> Any:
    """Dropout that is no layer, so nothing can turn it off."""
    import keras

    model = keras_basic()
    plain = model.fc.call
    seeds = keras.random.SeedGenerator(1)
    model.fc.call = lambda x, training=None: plain(keras.random.dropout(x, 0.5, seed=seeds))
    return model


def gradient_stopped() -> Any:
    """A convolution whose gradient does not reach what is before it."""
    import keras

    model = keras_basic()
    conv = model.layer2.layers[0].conv1
    plain = conv.call
    conv.call = lambda x, **options: plain(keras.ops.stop_gradient(x), **options)
    return model


def torch_own() -> Any:
    """A net of anyone's own, with a flattened image before the classifier."""
    from torch import nn

    layers = (nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(6 * 4 * 4, 5))


def keras_own() -> Any:
    """The same with names of its own."""
    import keras
    from keras import layers

    from resnet_keras.layers import BatchNormalization

    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(6, 3, padding="same", use_bias=False, name="first")(x)
    y = layers.ReLU()(BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(y))
    y = layers.Flatten()(layers.MaxPooling2D(2)(y))
    return keras.Model(x, layers.Dense(5, name="classifier")(y))


def headless() -> Any:
    """No classifier: there is nothing to take a loss of."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 6, 3))


def keras_headless() -> Any:
    import keras

    x = keras.Input((8, 8, 3))
    return keras.Model(x, keras.layers.Conv2D(6, 3)(x))


def torch_far(mean: float) -> Any:
    """A norm of activations around `mean`."""
    import torch
    from torch import nn

    conv = nn.Conv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        conv.bias.fill_(mean)  # type: ignore[union-attr]
    tail = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)]
    return nn.Sequential(conv, nn.BatchNorm2d(4), *tail)


def keras_far(norm: type) -> Any:
    import keras
    from keras import layers as L

    tail = [L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(5, name="5")]
    first = [keras.Input((8, 8, 3)), L.Conv2D(4, 3, padding="same", name="0")]
    return keras.Sequential([*first, norm(epsilon=1e-5, momentum=0.9, name="1"), *tail])


def torch_far_0() -> Any:
    return torch_far(0.0)


def torch_far_1000() -> Any:
    return torch_far(1e3)


def torch_far_100000() -> Any:
    return torch_far(1e5)


def keras_far_twin() -> Any:
    import resnet_keras.layers

    return keras_far(resnet_keras.layers.BatchNormalization)


def keras_far_stock() -> Any:
    """Keras's own keeps the biased running variance."""
    import keras

    return keras_far(keras.layers.BatchNormalization)


def keras_far_biased() -> Any:
    """A norm of someone's own that keeps the biased one: no rule of Keras's."""
    import keras

    class Norm(keras.layers.BatchNormalization):
        def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(x, training=training, mask=mask)

    return keras_far(Norm)


def stock_forgetful() -> Any:
    """Keras's own norm, which forgets faster than it says."""
    model = keras_far_stock()
    model.get_layer("1").momentum = 0.95
    return model


def _logits(mean: float) -> Any:
    """A classifier whose logits lie around `mean`."""
    import torch

    model = torch_far(0.0)
    with torch.no_grad():
        model[5].bias.fill_(mean)
    return model


def torch_logits_0() -> Any:
    return _logits(0.0)


def torch_logits_1000() -> Any:
    return _logits(1e3)


def torch_logits_100000() -> Any:
    return _logits(1e5)


def _lossy(**changes: Any) -> Any:
    """Trained with another loss: `compile` gets the right one, and other arguments."""
    model = keras_far_twin()
    plain = model.compile

    def compile(optimizer: Any, loss: Any, **options: Any) -> None:
        plain(optimizer=optimizer, **{"loss": loss, **options, **changes})

    object.__setattr__(model, "compile", compile)
    return model


def loss_doubled() -> Any:
    return _lossy(loss_weights=2.0)


def loss_nearly() -> Any:
    return _lossy(loss_weights=1 + 1e-7)


def loss_summed() -> Any:
    import keras

    return _lossy(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"))


def labels_smoothed() -> Any:
    import keras

    def loss(y: Any, logits: Any) -> Any:
        labels = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(y, (-1,)), "int32"), 5, dtype=logits.dtype)
        return keras.losses.categorical_crossentropy(labels, logits, from_logits=True, label_smoothing=0.01)

    return _lossy(loss=loss)


def of_probabilities() -> Any:
    """A loss that takes logits for probabilities."""
    import keras

    return _lossy(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False))


def _coarse(name: str) -> Any:
    """In float32 one layer's output is rounded to bfloat16."""
    import keras

    model = keras_far_twin()
    layer = model.get_layer(name)
    plain = layer.call

    def call(x: Any, **options: Any) -> Any:
        y = plain(x, **options)
        coarse = keras.ops.cast(keras.ops.cast(y, "bfloat16"), y.dtype)
        return coarse if keras.config.floatx() == "float32" else y

    layer.call = call
    return model


def coarse_conv() -> Any:
    return _coarse("0")


def coarse_norm() -> Any:
    return _coarse("1")


def squares(y_true: Any, y_pred: Any) -> Any:
    """A sum over what torch takes the mean of."""
    import keras

    return keras.ops.sum(keras.ops.square(y_true - y_pred), -1)


def thrice(outputs: Any, targets: Any) -> Any:
    """A loss of either side's: three times the squares."""
    return 3 * (outputs - targets) ** 2


def _torch_head(*head: Any, classes: int = 5) -> Any:
    from torch import nn

    body = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(4, classes), *head)


def _keras_head(activation: str | None = None, classes: int = 5) -> Any:
    import keras
    from keras import layers as L

    from resnet_keras.layers import BatchNormalization

    first = keras.Input((8, 8, 3)), L.Conv2D(4, 3, padding="same")
    body = BatchNormalization(epsilon=1e-5, momentum=0.9), L.ReLU(), L.GlobalAveragePooling2D()
    return keras.Sequential([*first, *body, L.Dense(classes, activation=activation)])


def torch_scores() -> Any:
    return _torch_head()


def keras_scores() -> Any:
    return _keras_head()


def torch_softmax() -> Any:
    from torch import nn

    return _torch_head(nn.Softmax(1))


def keras_softmax() -> Any:
    return _keras_head("softmax")


def torch_log_softmax() -> Any:
    from torch import nn

    return _torch_head(nn.LogSoftmax(1))


def keras_log_softmax() -> Any:
    return _keras_head("log_softmax")


def torch_sigmoid() -> Any:
    from torch import nn

    return _torch_head(nn.Sigmoid())


def keras_sigmoid() -> Any:
    return _keras_head("sigmoid")


def torch_regression() -> Any:
    return _torch_head(classes=1)


def keras_regression() -> Any:
    return _keras_head(classes=1)


def torch_squeezed() -> Any:
    """One number a sample, without an axis."""
    from torch import nn

    return _torch_head(nn.Flatten(0), classes=1)


def torch_pixels() -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))


def keras_pixels() -> Any:
    import keras
    from keras import layers as L

    from resnet_keras.layers import BatchNormalization

    body = L.Conv2D(4, 3, padding="same"), BatchNormalization(epsilon=1e-5, momentum=0.9), L.ReLU(), L.Conv2D(3, 1)
    return keras.Sequential([keras.Input((8, 8, 3)), *body])


def torch_two() -> Any:
    """A dictionary of an image and a row, in the other order than Keras's."""
    import torch
    from torch import nn

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.row, self.image = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            y = self.conv(x).relu()
            return {"image": self.image(y), "row": self.row(y.mean((2, 3)))}

    return Two()


def keras_two() -> Any:
    import keras
    from keras import layers as L

    x = keras.Input((8, 8, 3))
    y = L.ReLU()(L.Conv2D(4, 3, padding="same", name="conv")(x))
    image = L.Conv2D(2, 1, name="image")(y)
    return keras.Model(x, {"row": L.Dense(3, name="row")(L.GlobalAveragePooling2D()(y)), "image": image})


def keras_added() -> Any:
    """Adds to its loss what no regularizer is."""
    import keras
    from keras import layers as L

    from resnet_keras.layers import BatchNormalization

    class Adds(L.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(0.1 * keras.ops.mean(keras.ops.sqrt(keras.ops.abs(x) + 1)))
            return x

    x = keras.Input((8, 8, 3))
    y = L.ReLU()(BatchNormalization(epsilon=1e-5, momentum=0.9)(L.Conv2D(4, 3, padding="same")(x)))
    return keras.Model(x, L.Dense(5)(L.GlobalAveragePooling2D()(Adds()(y))))
