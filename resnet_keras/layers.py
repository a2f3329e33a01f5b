"""Keras's side of the framework facts: padding, initialisation, pooling, norms, grouped convolution.

Everything in which PyTorch and Keras differ below the level of a block stands here and in the file of the same
name in `resnet_torch`. Tensors are (N, H, W, C); convolution kernels (kH, kW, in / groups, out).
"""

from typing import Any

import keras
from keras import ops

from .base import register
from .configs import INITIALIZERS, one_of
from .grouped import grouped_convolution


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
