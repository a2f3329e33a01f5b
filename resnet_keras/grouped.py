"""Grouped convolutions on TensorFlow: one function that runs, trains, exports and compiles on every processor.

Keras sends grouped convolutions through XLA, ten times slower on a CPU. What TensorFlow's own kernels can do differs:
their gradient exists for float32 and bfloat16 under oneDNN and on GPUs, and nowhere else; and without oneDNN a graph in
which anything is fused into a grouped convolution does not run at all. So there are two ways, chosen by trying:
- where the gradient exists, TensorFlow's grouped kernel, behind which nothing is fused (see `_unfused`);
- elsewhere dense convolutions of several groups at once, with a kernel that is block-diagonal.
"""

from functools import cache
from typing import Any

# Input channels of one block-diagonal convolution. Wider ones compute more zeros, narrower ones are more calls: the
# best of 8 to 128 that `python -m benchmarks.grouped` measures, or near it, in most of ResNeXt's sizes.
WIDTHS = {"float32": 32, "float64": 16, "bfloat16": 8, "float16": 8}


def grouped_convolution(inputs: Any, kernel: Any, strides: Any, padding: str, dilations: Any) -> Any:
    """A grouped convolution of (N, H, W, C) with a kernel (kH, kW, C / groups, out). padding: "SAME" or "VALID"."""
    import tensorflow as tf

    kernel = tf.convert_to_tensor(kernel)
    with tf.init_scope():  # out of the graph, if in one: ask which device is in force
        device = tf.zeros(()).device
    if has_gradient(inputs.dtype.name, device):
        return _unfused(tf.nn.conv2d(inputs, kernel, strides, padding, dilations=dilations))
    if kernel.shape[2] == 1 and (max(dilations) == 1 or max(strides) == 1) and strides[0] == strides[1]:
        return depthwise_convolution(inputs, kernel, strides, padding, dilations)
    return block_diagonal_convolution(inputs, kernel, strides, padding, dilations)


@cache
def has_gradient(dtype: str, device: str) -> bool:
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


def _unfused(outputs: Any) -> Any:
    """The same tensor, which the graph optimizer takes for another's work.

    It would fuse the bias, norm or ReLU that follows into the convolution, by a kernel that without oneDNN knows no
    groups. The graph may have been made here and run elsewhere: an exported model must not count on this machine's.
    """
    import tensorflow as tf

    return tf.ensure_shape(outputs, outputs.shape)


def depthwise_convolution(inputs: Any, kernel: Any, strides: Any, padding: str, dilations: Any) -> Any:
    """One input channel a group: TensorFlow's depthwise kernels run and train in every dtype."""
    import tensorflow as tf

    *size, _, out = kernel.shape
    channels = inputs.shape[-1]
    kernel = tf.reshape(kernel, (*size, channels, out // channels))  # (kH, kW, C, outputs of each)
    return tf.nn.depthwise_conv2d(inputs, kernel, (1, *strides, 1), padding, dilations=dilations)


def block_diagonal_convolution(
    inputs: Any, kernel: Any, strides: Any, padding: str, dilations: Any, width: int | None = None
) -> Any:
    """A grouped convolution as dense ones of about `width` input channels (default: the dtype's), of whole groups each.

    The dense kernel of one has the groups' kernels on its diagonal and zeros elsewhere.
    """
    import tensorflow as tf

    groups = inputs.shape[-1] // kernel.shape[2]
    width = WIDTHS[inputs.dtype.name] if width is None else width
    together = next(count for count in range(max(1, width // kernel.shape[2]), 0, -1) if groups % count == 0)
    parts = groups // together
    dense = _block_diagonal(kernel, parts, together)
    step = strides if max(dilations) == 1 else (1, 1)  # TensorFlow refuses stride and dilation together
    outputs = [
        tf.nn.convolution(x, part, step, padding, dilations=dilations)
        for x, part in zip(tf.split(inputs, parts, -1), dense, strict=True)
    ]
    joined = outputs[0] if parts == 1 else tf.concat(outputs, -1)
    return joined if tuple(step) == tuple(strides) else joined[:, :: strides[0], :: strides[1]]


def _block_diagonal(kernel: Any, parts: int, together: int) -> list[Any]:
    """The kernels (kH, kW, together * in, together * out) of all parts of (kH, kW, in, parts * together * out)."""
    import tensorflow as tf

    *size, inputs, out = kernel.shape
    outputs = out // (parts * together)
    blocks = tf.reshape(kernel, (*size, inputs, parts, together, outputs))
    dense = tf.einsum("hwipto,ts->phwsito", blocks, tf.eye(together, dtype=kernel.dtype))
    return list(tf.unstack(tf.reshape(dense, (parts, *size, together * inputs, together * outputs))))
