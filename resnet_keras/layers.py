"""Keras's side of the framework facts: padding, initialisation, pooling, norms, grouped convolution.

Everything in which PyTorch and Keras differ below the level of a block stands here and in the file of the same
name in `resnet_torch`. Tensors are (N, H, W, C); convolution kernels (kH, kW, in / groups, out).
"""

from collections.abc import Iterator
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import keras
import numpy as np
from keras import ops

from .configs import INITIALIZERS, ResNetConfig, one_of

PACKAGE = "resnet_keras"
register = keras.saving.register_keras_serializable(PACKAGE)


@register
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with PyTorch's padding (a number of pixels on all four sides) and the papers' start.

    padding: pixels on each side, or "same" / "valid" as in Keras. Where "same" means the same pixels (stride 1,
    odd kernel) it is what runs; elsewhere the input is padded first, because "same" pads an even input only right
    and below under stride 2.
    init: "kaiming": normal, variance 2 / fan_out, not truncated (He et al. 2015b, section 2.2), bias 0;
    "glorot": uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010), bias 0.
    """

    use_bias: bool

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: Any = 0, **kwargs: Any) -> None:
        self.init = kwargs.pop("init", "kaiming")
        dilation = kwargs.pop("dilation_rate", 1)
        kwargs.setdefault("kernel_initializer", _kernel_initializer(self.init))
        # Keras refuses stride and dilation together; `convolution_op` then strides by hand (see there).
        super().__init__(filters, kernel_size, strides, "valid", "channels_last", **kwargs)
        self.dilation_rate = (dilation, dilation) if isinstance(dilation, int) else tuple(dilation)
        self.pixels = padding if isinstance(padding, int) else 0
        self.padding = padding if isinstance(padding, str) else self._keras_padding()

    def _keras_padding(self) -> str:
        reach = [d * (k - 1) for d, k in zip(self.dilation_rate, self.kernel_size, strict=True)]
        symmetric = self.strides == (1, 1) and reach == [2 * self.pixels] * 2
        return "same" if symmetric and self.pixels else "valid"

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training and self._is_product():
            return self._product(inputs)
        return super().call(self._pad(inputs))

    def _is_product(self) -> bool:
        one_by_one = (*self.kernel_size, *self.strides, self.groups) == (1,) * 5 and self.pixels == 0
        return one_by_one and keras.backend.backend() == "tensorflow"

    def _product(self, inputs: Any) -> Any:
        """A 1x1 convolution as the matrix product it is: the kernel's gradient then takes two thirds of the time."""
        pixels = ops.reshape(inputs, (-1, inputs.shape[-1]))
        outputs = ops.matmul(pixels, ops.reshape(self.kernel, (inputs.shape[-1], self.filters)))
        outputs = ops.reshape(outputs, (*ops.shape(inputs)[:3], self.filters))
        return self.activation(ops.add(outputs, self.bias) if self.use_bias else outputs)

    def _pad(self, inputs: Any) -> Any:
        if self.pixels == 0 or self.padding == "same":
            return inputs
        return pad(inputs, self.pixels, 0.0)

    def add_bias(self) -> None:
        """Have a bias from now on, 0 at first, as a norm folded into this convolution needs one."""
        if not self.use_bias and self.built:
            self._tracker.unlock()  # a built layer takes no new weights
            with self._open_name_scope():
                self.bias = self.add_weight((self.filters,), self.bias_initializer, name="bias")
            self._tracker.lock()
        self.use_bias = True

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        if self.groups > 1 and keras.backend.backend() == "tensorflow":
            return grouped_convolution(inputs, kernel, self.strides, self.padding.upper(), self.dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            return self._dilate_then_stride(inputs, kernel)
        return super().convolution_op(inputs, kernel)

    def _dilate_then_stride(self, inputs: Any, kernel: Any) -> Any:
        dense = ops.conv(inputs, kernel, 1, self.padding, "channels_last", self.dilation_rate)
        return dense[:, :: self.strides[0], :: self.strides[1], :]

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *size, _ = input_shape
        return (batch, *(self._output_size(pixels, i) for i, pixels in enumerate(size)), self.filters)

    def _output_size(self, size: int | None, i: int) -> int | None:
        if size is None:
            return None
        if self.padding == "same":
            return -(-size // self.strides[i])
        reach = self.dilation_rate[i] * (self.kernel_size[i] - 1)
        output = (size + 2 * self.pixels - reach - 1) // self.strides[i] + 1
        if output < 1:
            raise ValueError(
                f"{self.name}: an input {size} wide is too small for a kernel that reaches {reach + 1} pixels "
                f"with padding {self.pixels}; use a larger input_size"
            )
        return output

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        padding = self.pixels if self.pixels else self.padding
        return config | {"padding": padding, "init": self.init}


def _kernel_initializer(init: str) -> Any:
    one_of("init", init, INITIALIZERS)
    if init == "glorot":
        return keras.initializers.GlorotUniform()
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def grouped_convolution(inputs: Any, kernel: Any, strides: Any, padding: str, dilations: Any) -> Any:
    """A grouped convolution on TensorFlow's own kernels, (N, H, W, C) by (kH, kW, C / groups, out).

    Keras sends grouped convolutions through XLA, ten times slower on a CPU. TensorFlow's kernel runs them in every
    dtype; its CPU gradient exists for float32 and bfloat16 under oneDNN only, so elsewhere XLA computes the gradient.
    """
    import tensorflow as tf

    with tf.init_scope():  # out of the graph, if in one: ask which device is in force
        device = tf.zeros(()).device
    if _native_gradient(inputs.dtype.name, device):
        return tf.nn.conv2d(inputs, kernel, strides, padding, dilations=dilations)
    return _grouped_by_xla(strides, padding, dilations)(inputs, tf.convert_to_tensor(kernel))


@cache
def _grouped_by_xla(strides: Any, padding: str, dilations: Any) -> Any:
    """A grouped convolution whose gradient XLA compiles, once per shape."""
    import tensorflow as tf

    convolve = partial(tf.nn.conv2d, strides=strides, padding=padding, dilations=dilations)

    @tf.function(jit_compile=True, reduce_retracing=True)
    def gradient(x: Any, kernel: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolve(x, kernel)
        return tape.gradient(y, [x, kernel], upstream)

    @tf.custom_gradient
    def convolution(x: Any, kernel: Any) -> Any:
        return convolve(x, kernel), lambda upstream: gradient(x, kernel, upstream)

    return convolution


@cache
def _native_gradient(dtype: str, device: str) -> bool:
    """Whether TensorFlow has its own gradient of a grouped convolution in `dtype` on `device`: tried once on each."""
    import tensorflow as tf

    with tf.init_scope(), tf.device(device):  # no gradient tape: it would not record in this scope
        x, kernel = tf.ones((1, 1, 1, 4), dtype), tf.ones((1, 1, 2, 4), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=x.shape, filter=kernel, out_backprop=x, strides=[1, 1, 1, 1], padding="VALID"
            )
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
            return False
    return True


@register
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` whose running variance is the unbiased n / (n - 1) one, as PyTorch's.

    On TensorFlow, float32 and 16-bit images run on the fused kernel, which keeps the unbiased variance by itself;
    elsewhere Keras's own code runs and the variance is corrected after it (not with a mask or `renorm`, which
    PyTorch's norm does not have; `synchronized` counts the pixels of all replicas, as if each had as many).
    Normalisation itself uses the biased variance in both frameworks (Ioffe and Szegedy 2015, algorithm 1).
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        update = bool(training) and self.trainable
        if self._fused(inputs, mask):
            return self._call_fused(inputs, update)
        if not update or mask is not None or self.renorm:
            return super().call(inputs, training=training, mask=mask)
        before = ops.copy(self.moving_variance)
        outputs = super().call(inputs, training=training)
        # Keras added (1 - momentum) * biased variance; the unbiased one is n / (n - 1) of it.
        count = ops.cast(ops.size(inputs), self.moving_variance.dtype) / inputs.shape[self.axis] * self._replicas()
        added = self.moving_variance - self.momentum * before
        self.moving_variance.assign_add(added / ops.maximum(count - 1, 1))
        return outputs

    def _replicas(self) -> int:
        if not self.synchronized:  # which Keras has on TensorFlow alone
            return 1
        import tensorflow as tf

        return tf.distribute.get_replica_context().num_replicas_in_sync

    def _fused(self, inputs: Any, mask: Any) -> bool:
        plain = mask is None and not self.renorm and not self.synchronized and self.scale and self.center
        layout = len(inputs.shape) == 4 and self.axis in (-1, 3)
        return plain and layout and keras.backend.backend() == "tensorflow" and inputs.dtype.name != "float64"

    def _call_fused(self, inputs: Any, update: bool) -> Any:
        import tensorflow as tf

        gamma, beta, moving_mean, moving_variance = (tf.cast(weight, tf.float32) for weight in self.weights)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=moving_mean,
            variance=moving_variance,
            epsilon=self.epsilon,
            is_training=update,
        )
        if update:
            self.moving_mean.assign(moving_mean * self.momentum + mean * (1.0 - self.momentum))
            self.moving_variance.assign(moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return outputs


@register
class MaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` with PyTorch's padding: pixels of minus infinity, which never win."""

    def __init__(self, pool_size: Any, strides: Any = None, padding: Any = 0, **kwargs: Any) -> None:
        mode = padding if isinstance(padding, str) else "valid"
        super().__init__(pool_size, strides, mode, data_format="channels_last", **kwargs)
        self.pixels = padding if isinstance(padding, int) else 0

    def call(self, inputs: Any) -> Any:
        if self.pixels:
            inputs = pad(inputs, self.pixels, float("-inf"))
        return super().call(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *size, channels = input_shape
        padded = [None if pixels is None else pixels + 2 * self.pixels for pixels in size]
        return super().compute_output_shape((batch, *padded, channels))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]
        return config | ({"padding": self.pixels} if self.pixels else {})


@register
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` with PyTorch's start, uniform in +-1/sqrt(fan_in) for both, or Keras's ("glorot")."""

    def __init__(self, units: int, *args: Any, init: str = "kaiming", **kwargs: Any) -> None:
        one_of("init", init, INITIALIZERS)
        if init != "glorot":
            kwargs.setdefault("kernel_initializer", keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"))
        super().__init__(units, *args, **kwargs)
        self.init = init

    def build(self, input_shape: Any) -> None:
        if self.init != "glorot" and self.use_bias:
            bound = input_shape[-1] ** -0.5
            self.bias_initializer = keras.initializers.RandomUniform(-bound, bound)
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"init": self.init}


@register
class ZeroPadShortcut(keras.layers.Layer):
    """Option A (He et al. 2015, section 3.3): every stride-th pixel, zero channels half before and half after."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if out_channels < in_channels:
            raise ValueError(f"shortcut 'A' pads with zeros: from {in_channels} channels it cannot give {out_channels}")
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def call(self, x: Any) -> Any:
        return ops.pad(x[:, :: self.stride, :: self.stride, :], [[0, 0], [0, 0], [0, 0], [self.before, self.after]])

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *size, channels = input_shape
        size = [None if s is None else -(-s // self.stride) for s in size]
        return (batch, *size, channels + self.before + self.after)


def pad(x: Any, pixels: int, value: float) -> Any:
    """Pad (N, H, W, C) with `pixels` of `value` on all four sides."""
    return ops.pad(x, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], constant_values=value)


def activation(name: str | None) -> keras.layers.Layer:
    """The layer that follows the classifier: softmax or sigmoid over the classes, or none (logits)."""
    return keras.layers.Activation(name or "linear", name="activation")


class Traced(keras.layers.Layer):
    """A composite, layer or model, that is built by calling itself once on shapes.

    The sublayers then know their true output shapes, so `summary()` shows them, and every weight exists before the
    first batch. Nothing is computed: Keras's symbolic tensors carry shapes only. A sublayer is named after its
    attribute, so names are torch's paths, and every subclass is registered, so `load_model` needs no custom_objects.
    `folded`: the paths of each convolution that has taken a norm in, and of that norm (see `fold.py`).
    """

    folded: tuple[tuple[str, str], ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ours = cls.__module__.rpartition(".")[0] == __package__  # a subclass elsewhere must not take our names
        keras.saving.register_keras_serializable(PACKAGE if ours else cls.__module__)(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, keras.layers.Layer):
            value.name = name
        super().__setattr__(name, value)

    def build(self, input_shape: Any) -> None:
        outputs = self.call(keras.KerasTensor(input_shape, dtype=self.compute_dtype))
        self.__dict__["returned"] = tuple(keras.tree.flatten(outputs))  # past Keras's tracking: not to be saved

    def compute_output_shape(self, input_shape: Any) -> Any:
        outputs = self.call(keras.KerasTensor(input_shape, dtype=self.compute_dtype))
        return keras.tree.map_structure(lambda output: output.shape, outputs)

    def get_config(self) -> dict[str, Any]:
        """The name, the dtype policy, what is frozen, and what the subclass needs to make itself again."""
        frozen = [path for path, layer in named_layers(self) if not layer.trainable]
        dtype = keras.dtype_policies.serialize(self.dtype_policy)
        config = {"name": self.name, "dtype": dtype, "frozen": frozen, "arguments": self._arguments()}
        return config | ({"folded": self.folded} if self.folded else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(keras.dtype_policies.deserialize(config["dtype"]))
        try:
            made = cls._from_arguments(config["arguments"])
        finally:
            keras.config.set_dtype_policy(before)
        made.name = config["name"]
        made._make_folded(config.get("folded", ()))
        if config["frozen"]:
            for path, layer in named_layers(made):  # from the outside in: setting a layer sets those inside it
                layer.trainable = path not in config["frozen"]
        return made

    def _arguments(self) -> Any:
        raise NotImplementedError

    @classmethod
    def _from_arguments(cls, arguments: Any) -> Any:
        raise NotImplementedError

    def _make_folded(self, pairs: Any) -> None:
        """Give each convolution a bias, and put an identity in the place of the norm that it takes in."""
        self.folded = tuple((conv, norm) for conv, norm in pairs)
        for conv, norm in self.folded:
            layer_at(self, conv).add_bias()
            old = layer_at(self, norm)
            new = keras.layers.Identity(dtype=old.dtype_policy)
            if old.built:
                new.build_from_config(old.get_build_config())
            for owner in (owner for _, owner in named_layers(self) if old in getattr(owner, "_layers", ())):
                owner._tracker.replace_tracked_value("layers", old, new)  # in its place: a summary keeps its order
                attributes = vars(owner) | vars(owner).get("_modules", {})  # the latter on the torch backend
                for name in [name for name, value in attributes.items() if value is old]:
                    setattr(owner, name, new)

    def __dir__(self) -> list[str]:
        # Keras saves what it finds by `dir`, each layer under the first name in the alphabet: it must be the attribute.
        # On the torch backend the numbers in a Sequential would be left out.
        attributes = [layer.name for layer in getattr(self, "_layers", ())]
        return sorted({*super().__dir__(), *attributes} - {"layers", "_made_with"})


def named_layers(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The layer itself, under the path "", and every layer in it by its dotted path, from the outside in."""
    yield path, layer
    for child in getattr(layer, "layers", ()):
        yield from named_layers(child, f"{path}.{child.name}" if path else child.name)


class Block(Traced):
    """A layer made of layers, which saves as the arguments it was made with.

    `layers` lists the sublayers, so `summary(expand_nested=True)` opens the block.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "Block":
        block = super().__new__(cls, *args, **kwargs)
        block.__dict__["_made_with"] = (args, kwargs)  # past Keras's tracking, which does not exist yet
        return block

    def _arguments(self) -> Any:
        return keras.saving.serialize_keras_object(self._made_with)

    @classmethod
    def _from_arguments(cls, arguments: Any) -> "Block":
        args, kwargs = keras.saving.deserialize_keras_object(arguments)
        return cls(*args, **kwargs)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return list(self._layers)


class Sequential(Block):
    """Layers one after another, each under its number as attribute and name, as in `torch.nn.Sequential`.

    `keras.Sequential` would tie the block to one input size; this one takes any.
    """

    def __init__(self, *layers: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for number, layer in enumerate(layers):
            setattr(self, str(number), layer)

    def call(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class Parallel(Sequential):
    """Layers side by side, each on the same input; the outputs come as a list."""

    def call(self, x: Any) -> Any:
        return [layer(x) for layer in self.layers]


class Model(Traced, keras.Model):
    """A model that saves as its `config`, a frozen dataclass."""

    config: ResNetConfig

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.export`, also before the first call: Keras demands one, so it is made here, on zeros."""
        self(ops.zeros((1, *self.config.image_size, self.config.in_channels)))
        return super().export(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """`keras.Model.make_train_function`; the optimizer's state is made here, not in the graph: a second less."""
        if keras.backend.backend() == "tensorflow" and self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def stateless_call(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.stateless_call`, but as a whole layer: `call` alone would tell no sublayer of `training`."""

        def whole(*inputs: Any, **options: Any) -> Any:
            del self.__dict__["call"]
            return self(*inputs, **options)

        self.__dict__["call"] = whole  # past Keras's attribute tracking
        try:
            return super().stateless_call(*args, **kwargs)
        finally:
            self.__dict__.pop("call", None)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = "auto", *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.predict`; one silent batch goes without its input pipeline, 50 ms of work."""
        alone = getattr(getattr(self, "distribute_strategy", None), "num_replicas_in_sync", 1) == 1
        alone = alone and keras.distribution.distribution() is None
        silent = verbose == 0 and not (args or kwargs)
        batch = isinstance(x, np.ndarray) and x.dtype == self.compute_dtype and 0 < len(x) <= (batch_size or 32)
        if alone and silent and batch:
            return self.predict_on_batch(x)
        return super().predict(x, batch_size, verbose, *args, **kwargs)

    def _arguments(self) -> Any:
        return {"config": asdict(self.config), "name": self.name}

    @classmethod
    def _from_arguments(cls, arguments: Any) -> "Model":
        return cls(ResNetConfig(**arguments["config"]), name=arguments["name"])


def intermediate_outputs(model: keras.Model, x: Any, paths: list[str]) -> dict[str, Any]:
    """Run `model(x)` and return the outputs of the layers at the dotted `paths`, in (N, ..., C) layout.

    The path of the model itself is "". A layer that runs more than once (a shared ReLU) returns its last output.
    Raises KeyError for a path that the model does not have or that did not run.
    """
    outputs: dict[str, Any] = {}

    def keep(path: str, call: Any) -> Any:
        def kept(*args: Any, **kwargs: Any) -> Any:
            outputs[path] = call(*args, **kwargs)
            return outputs[path]

        return kept

    layers = {path: layer_at(model, path) for path in paths}
    for path, layer in layers.items():
        layer.__dict__["call"] = keep(path, layer.call)  # past Keras's attribute tracking: it is taken off again
    try:
        model(x)
    finally:
        for layer in layers.values():
            layer.__dict__.pop("call", None)  # one layer may stand at two paths
    missing = [path for path in paths if path not in outputs]
    if missing:
        raise KeyError(f"the layers at {missing} did not run")
    return {path: outputs[path] for path in paths}


def layer_at(model: keras.Model, path: str) -> Any:
    layer: Any = model
    for name in path.split(".") if path else ():
        layer = getattr(layer, name, None)
        if not isinstance(layer, keras.layers.Layer):
            raise KeyError(f"no layer at {path!r}; layers are named like {[child.name for child in model.layers[:3]]}")
    return layer
