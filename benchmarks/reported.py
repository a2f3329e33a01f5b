"""What public reports say goes wrong in ports: a line of one side's source, as it was and as people write it.

A row names the layer that must be first, and the cause, as regexes.
"""

# ruff: noqa: E501 - one row a line

from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import planting
from .planting import Planted


class Report(NamedTuple):
    """A row. network: of this folder. found, put: text of that side's half, once in it. at: the first layer; cause: its name."""

    network: str
    side: str
    name: str
    found: str
    put: str
    at: str
    cause: str


class Wrong(NamedTuple):
    """A row: a tensor of one side, by torch's name and in torch's layout, that a script carried wrongly.

    code: an expression of w, of that layer's tensors by name, that gives those to set.
    """

    network: str
    side: str
    name: str
    layer: str
    code: str
    cause: str
    at: str = ""


REPORTS = (
    # Settings.
    Report("lenet", "keras", "same padding at stride 2", '            layers.ZeroPadding2D(1),\n            layers.Conv2D(8, 3, strides=2, name="c2"),', '            layers.Conv2D(8, 3, strides=2, padding="same", name="c2"),', "3", "padding"),
    Report("lenet", "keras", "max pool padded with zeros", "constant_values=-1e9", "constant_values=0.0", "5.*|.*pad.*", "pad value|padding"),
    Report("lenet", "torch", "ceil_mode", "nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(2, stride=2, ceil_mode=True)", "5|.*pool.*", "window|kernel|pool|ceil|pad"),
    Report("lenet", "keras", "default slope", "layers.LeakyReLU(negative_slope=0.1)", "layers.LeakyReLU()", "4", "slope"),
    Report("lenet", "torch", "alpha", "nn.ELU()", "nn.ELU(0.5)", "8", "slope|alpha"),
    Report("lenet", "torch", "dropout rate", "nn.Dropout(0.3)", "nn.Dropout(0.5)", "9|.*dropout.*", "dropout"),
    Report("lenet", "keras", "ReLU for tanh", 'layers.Activation("tanh")', 'layers.Activation("relu")', "1", "activation|kind of layer|function"),
    Report("lenet", "keras", "softmax in the model", "layers.Dense(10, name", 'layers.Dense(10, activation="softmax", name', "10|output", "softmax"),
    Report("lenet", "torch", "average for max", "nn.MaxPool2d(3, stride=2, padding=1)", "nn.AvgPool2d(3, stride=2, padding=1)", "5|.*pool.*", "pool|kind"),
    Report("lenet", "torch", "activation forgotten", "            nn.ELU(),\n", "            nn.Identity(),\n", "8|11|.*elu.*", "activation"),
    Report("resnet", "keras", "default epsilon and momentum", "momentum=0.9, epsilon=1e-5, ", "", ".*norm.*|.*bn.*|.*shortcut.1", r"\beps"),
    Report("resnet", "keras", "torch's momentum", "momentum=0.9", "momentum=0.1", ".*norm.*|.*bn.*|.*shortcut.1", "momentum"),
    Report("resnet", "keras", "same padding at stride 2", '    if stride != 1:\n        y = layers.ZeroPadding2D(1, name=name + "_pad")(y)\n    y = layers.Conv2D(out, 3, stride, "same" if stride == 1 else "valid",', '    y = layers.Conv2D(out, 3, stride, "same",', "layer2.conv1", "padding"),
    Report("resnet", "torch", "stride on the second convolution", "self.conv1 = nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False)\n        self.bn1 = nn.BatchNorm2d(out)\n        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)", "self.conv1 = nn.Conv2d(width, out, 3, padding=1, bias=False)\n        self.bn1 = nn.BatchNorm2d(out)\n        self.conv2 = nn.Conv2d(out, out, 3, stride=stride, padding=1, bias=False)", "layer2.conv.", "stride"),
    Report("resnet", "torch", "shortcut left out", "return F.relu(y + s)", "return F.relu(y)", "layer1.*|layer2.*|.*pool.*", "shortcut"),
    Report("resnet", "torch", "activation before the sum", "return F.relu(y + s)", "return F.relu(y) + s", "layer1.*|layer2.*|.*pool.*", "activation|order|exchanged"),
    Report("resnet", "torch", "no activation behind the sum", "return F.relu(y + s)", "return y + s", "layer1.*|layer2.*|.*pool.*", "activation"),
    Report("resnet", "keras", "no activation in the block", '    y = layers.ReLU(name=name + "_relu1")(y)\n', "", "layer..*", "activation"),
    Report("resnet", "torch", "scaled to [-1, 1]", "(x - 0.45) / 0.225", "(x - 0.5) / 0.5", "stem|.*div.*|.*sub.*", "scale|offset|factor|normalis|constant"),
    Report("resnet", "keras", "divided by 255 once more", "layers.Rescaling(1 / 0.225, offset=-0.45 / 0.225, ", "layers.Rescaling(1 / 255, offset=0.0, ", "stem|.*scale.*|.*div.*|.*sub.*", "scale|offset|factor|normalis"),
    Report("resnet", "torch", "BGR", "        x = (x - 0.45)", "        x = x.flip(1)\n        x = (x - 0.45)", "stem|.*flip.*|.*div.*", "channel order|reversed"),
    Report("resnet", "keras", "BGR", '    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)', '    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x[..., ::-1])', "stem", "channel order"),
    Report("resnet", "keras", "max for average", "layers.GlobalAveragePooling2D(", "layers.GlobalMaxPooling2D(", ".*pool.*|fc", "pool|max|kind"),
    Report("textcnn", "keras", "scale of the embedding left out", "self.embed(x) * 8**0.5", "self.embed(x)", "conv2.*|.*mul.*", "factor"),
    Report("textcnn", "torch", "mean for max", "torch.relu(self.conv2(x)).max(dim=2)[0]", "torch.relu(self.conv2(x)).mean(dim=2)", ".*", "mean|function|pool|reduction"),
    Report("textcnn", "keras", "order of what is joined", "ops.concatenate([a, b], axis=-1)", "ops.concatenate([b, a], axis=-1)", "fc1.*|.*cat.*", "order"),
    Report("textcnn", "torch", "softmax for its log", "torch.log_softmax(self.fc2", "torch.softmax(self.fc2", "output|.*softmax.*", "softmax|function|activation|log"),
    Report("textcnn", "keras", "softmax of the batch", "self.drop(x, training=training)), axis=-1)", "self.drop(x, training=training)), axis=0)", "output|.*softmax.*", "axis"),
    Report("textcnn", "keras", "same for valid", 'layers.Conv1D(6, 3, activation="relu")', 'layers.Conv1D(6, 3, padding="same", activation="relu")', "conv3.*", "padding"),
    Report("textcnn", "keras", "activation in the head", "self.fc2 = layers.Dense(3)", 'self.fc2 = layers.Dense(3, activation="relu")', "fc2.*|output|.*softmax.*", "activation"),
    Report("textcnn", "torch", "sigmoid for ReLU", "x = torch.relu(self.fc1(x))", "x = torch.sigmoid(self.fc1(x))", "fc1.*|.*sigmoid.*|.*relu.*", "activation|function|kind"),
    Report("sentiment", "keras", "Keras 1's gates", "layers.LSTM(6, return_sequences=True)", 'layers.LSTM(6, recurrent_activation="hard_sigmoid", return_sequences=True)', "lstm.*", "recurrent activation"),
    Report("sentiment", "keras", "reset_after", "layers.GRU(10, return_sequences=False,", "layers.GRU(10, return_sequences=False, reset_after=False,", "gru", "reset|bias"),
    Report("sentiment", "torch", "first state for last", "x = x[:, -1]", "x = x[:, 0]", "norm.*|.*getitem.*|gru", "slice|place|index|token"),
    Report("sentiment", "torch", "mean for last state", "x = x[:, -1]", "x = x.mean(1)", "norm.*|.*mean.*|gru", "slice|pool|mean"),
    Report("sentiment", "keras", "default epsilon", "layers.LayerNormalization(epsilon=1e-5, name", "layers.LayerNormalization(name", "norm", r"\beps"),
    Report("sentiment", "keras", "steps of zeros left out", 'layers.Embedding(30, 8, name="embed")', 'layers.Embedding(30, 8, mask_zero=True, name="embed")', ".*", "."),
    Report("sentiment", "torch", "softmax for sigmoid", "torch.sigmoid(self.fc(x))", "torch.softmax(self.fc(x), 1)", "fc.*|output|.*softmax.*|.*sigmoid.*", "softmax|activation|function|kind"),
    Report("sentiment", "keras", "no activation of the head", 'layers.Dense(4, activation="sigmoid", name="fc")', 'layers.Dense(4, name="fc")', "fc.*|output|.*sigmoid.*", "activation"),
    Report("sentiment", "keras", "tanh left out", '            layers.Activation("tanh", name="act"),\n', "", "act|.*tanh.*|fc.*", "activation"),
    Report("gpt", "keras", "exact GELU", ", approximate=True)", ", approximate=False)", ".*gelu.*|m_proj.*", "approximate|gelu"),
    Report("gpt", "torch", "exact GELU", ', approximate="tanh")', ")", ".*gelu.*|m_proj.*", "approximate|gelu"),
    Report("gpt", "keras", "default epsilon", 'layers.LayerNormalization(epsilon=1e-5, name="ln_1")', 'layers.LayerNormalization(name="ln_1")', "ln_1", r"\beps"),
    Report("gpt", "keras", "mask's sign", "ops.where(mask == 0,", "ops.where(mask == 1,", ".*", "."),
    Report("gpt", "keras", "mask left out", '        att = ops.where(mask == 0, float("-inf"), att)\n', "", ".*softmax.*", "mask|operation|left out"),
    Report("gpt", "torch", "mask the other way round", "torch.tril(torch.ones", "torch.triu(torch.ones", ".*softmax.*", "mask|operation|function"),
    Report("gpt", "keras", "scale left out", " / math.sqrt(c // HEADS)", "", ".*softmax.*", "factor|scale"),
    Report("gpt", "keras", "scale of all heads", "math.sqrt(c // HEADS)", "math.sqrt(c)", ".*softmax.*", "factor|scale"),
    Report("gpt", "torch", "softmax over the queries", "F.softmax(att, dim=-1)", "F.softmax(att, dim=-2)", ".*softmax.*", "axis"),
    Report("gpt", "keras", "positions left out", "x = self.wte(idx) + self.wpe(pos)", "x = self.wte(idx) + 0 * self.wpe(pos)", "wpe|ln_1.*|.*add.*|norm.*", "shortcut|missing|alone|position|operation|factor"),
    Report("gpt", "torch", "positions from one on", "x = self.wte(idx) + self.wpe(pos)", "x = self.wte(idx) + self.wpe((pos + 1) % LENGTH)", "wpe.*", "."),
    Report("gpt", "keras", "shortcut left out", "x = x + self.m_proj(", "x = self.m_proj(", "ln_f.*|.*add.*", "shortcut"),
    Report("gpt", "torch", "keys and values exchanged", "q, k, v = self.c_attn(x).split(DIM, dim=2)", "q, v, k = self.c_attn(x).split(DIM, dim=2)", ".*", "."),
    Report("gpt", "keras", "heads laid behind one another", "ops.transpose(ops.reshape(x, (n, t, HEADS, c // HEADS)), (0, 2, 1, 3))", "ops.transpose(ops.reshape(x, (n, t, c // HEADS, HEADS)), (0, 3, 1, 2))", ".*", "head|order"),
    Report("encoder", "keras", "another number of heads", "num_heads=3, key_dim=4", "num_heads=2, key_dim=6", "mha|.*add.*", "head"),
    Report("encoder", "torch", "norm in front", "x = self.norm1(x + a)", "x = self.norm1(x) + a", "norm1.*|.*add.*|ffn1.*|norm2.*", "exchanged|order"),
    Report("encoder", "keras", "GELU for SiLU", 'activation="silu"', 'activation="gelu"', "ffn1.*|.*silu.*", "activation|gelu|kind"),
    Report("encoder", "keras", "default epsilon", 'epsilon=1e-6, name="norm2"', 'name="norm2"', "norm2", r"\beps"),
    Report("encoder", "torch", "first token for the mean", "x = x.mean(dim=1)", "x = x[:, 0]", "out.*|.*mean.*|.*getitem.*|pool|norm2.*", "slice|pool|mean"),
    Report("encoder", "torch", "unit length along the batch", "F.normalize(self.out(x), dim=1)", "F.normalize(self.out(x), dim=0)", "output|.*normalize.*|.*unit.*", "axis"),
    Report("encoder", "keras", "unit length left out", '    x = layers.UnitNormalization(axis=-1, name="unit")(x)\n', "", "output|.*normalize.*|.*unit.*", "missing|operation|norm|function"),
    Report("gan", "keras", "same for output_padding", '"valid", use_bias=False, name="up1"))\n    model.add(layers.Cropping2D(((1, 0), (1, 0)), name="cut1"))', '"same", use_bias=False, name="up1"))', "main.0", "cut|transposed|pad"),
    Report("gan", "torch", "zeros for reflection", "nn.ReflectionPad2d(1)", "nn.ZeroPad2d(1)", "main.6.*|main.7.*|.*pad.*", "padding mode|reflect"),
    Report("gan", "keras", "norm of all channels", "groups=-1", "groups=1", "main.8", "groups"),
    Report("gan", "keras", "nearest for bilinear", 'interpolation="bilinear"', 'interpolation="nearest"', "main.10", "interpolation"),
    Report("gan", "torch", "corners aligned", "align_corners=False", "align_corners=True", "main.10", "corner|interpolation"),
    Report("gan", "keras", "shuffle of depth_to_space", "keras.ops.reshape(x, (-1, h, w, c // 4, 2, 2))\n        x = keras.ops.transpose(x, (0, 1, 4, 2, 5, 3))", "keras.ops.reshape(x, (-1, h, w, 2, 2, c // 4))\n        x = keras.ops.transpose(x, (0, 1, 3, 2, 4, 5))", "main.12|.*shuffle.*", "order"),
    Report("gan", "torch", "sigmoid for tanh", "nn.Tanh(),", "nn.Sigmoid(),", "main.13|output", "activation|function|kind"),
    Report("gan", "keras", "PReLU without shared axes", "shared_axes=[1, 2]", "shared_axes=[1]", "main.5", "."),
    Report("mobile", "keras", "same padding at stride 2", "x = self.act0(self.bn0(self.stem(self.pad(x)), training=training))", "x = self.act0(self.bn0(self.stem(ops.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))), training=training))", "stem.*", "padding"),
    Report("mobile", "keras", "unbounded ReLU", "layers.ReLU(max_value=6.0, ", "layers.ReLU(", "act1", "activation|bound|kind|function"),
    Report("mobile", "torch", "padding counted", ", count_include_pad=False", "", "pool", "padding counted"),
    Report("mobile", "keras", "sigmoid left out of the gate", 'layers.Dense(16, activation="sigmoid", name="expand")', 'layers.Dense(16, name="expand")', "expand.*|.*sigmoid.*|add", "activation"),
    Report("mobile", "torch", "not dilated", "padding=2, dilation=2", "padding=1", "dilated", "dilation"),
    Report("mobile", "keras", "groups not shuffled", "        x = self.shuffle(x)\n", "", "group.*|.*reshape.*|.*transpose.*", "order|shuffle|operation|left out"),
    Report("mobile", "keras", "swish for hard swish", '"hard_silu"', '"silu"', "act2", "activation|silu|kind"),
    Report("mobile", "keras", "gate left out", "x = x + y * s[:, None, None, :]", "x = x + y", "pool.*|.*mul.*|.*add.*", "gate"),
    Report("mobile", "keras", "gate added", "x = x + y * s[:, None, None, :]", "x = x + (y + s[:, None, None, :])", "pool.*|.*mul.*|.*add.*", "operation|gate"),
    Report("mobile", "torch", "mean for max", "torch.amax(x, dim=(2, 3))", "torch.mean(x, dim=(2, 3))", "output|.*max.*|.*mean.*|.*pool.*", "mean|pool|function|kind|max"),
    Report("cifar", "torch", "zeros behind alone", "(0, 0, 0, 0, 4, 4)", "(0, 0, 0, 0, 0, 8)", ".*pad.*|.*relu.*|.*add.*", "pad"),
    Report("cifar", "keras", "zeros in front alone", "(4, 4)))", "(8, 0)))", ".*pad.*|.*relu.*|.*add.*", "pad"),
    Report("cifar", "keras", "mean for every other pixel", "ops.pad(x[:, ::2, ::2, :],", 'ops.pad(ops.average_pool(x, 2, 2),', ".*", "slice|pool"),
    Report("cifar", "keras", "zeros for reflection", ', mode="reflect")', ")", "conv0.*|.*pad.*", "padding mode|reflect"),
    Report("cifar", "keras", "crop off by one", "x[:, 1:-1, 1:-1, :]", "x[:, 2:, 2:, :]", "conv0.*|.*pad.*|.*getitem.*", "crop|slice|offset"),
    Report("cifar", "keras", "padded at the end", "y = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))", "y = ops.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))", "conv1.*|.*pad.*", "pad"),
    Report("segment", "keras", "not antialiased", ", antialias=True)", ")", "a.*|.*resize.*|.*interpolate.*|.*upsample.*", "antialias"),
    Report("segment", "torch", "not antialiased", ", antialias=True)", ")", "a.*|.*resize.*|.*interpolate.*|.*upsample.*", "antialias"),
    Report("segment", "torch", "another slope", "F.leaky_relu(self.b(b), 0.2)", "F.leaky_relu(self.b(b))", ".*leaky.*", "slope"),
    Report("segment", "keras", "bilinear for nearest", "ops.repeat(ops.repeat(b, 2, axis=1), 2, axis=2)", 'ops.image.resize(b, (12, 12), interpolation="bilinear")', "c.*|.*interpolate.*|.*resize.*|.*upsample.*", "interpolation|nearest"),
    Report("segment", "torch", "tanh left out", "b = torch.tanh(self.c(b))", "b = self.c(b)", "c.*|.*tanh.*|getitem", "activation"),
    Report("segment", "keras", "joined the other way", "ops.concatenate([a, b], axis=-1)", "ops.concatenate([b, a], axis=-1)", "d.*|.*cat.*", "order"),
    Report("segment", "keras", "crop off by one", "x[:, 1:11, 1:11, :]", "x[:, 2:12, 2:12, :]", "d.*|.*getitem.*", "crop|slice"),
    Report("segment", "keras", "softmax of the columns", "ops.softmax(self.d(x), axis=-1)", "ops.softmax(self.d(x), axis=2)", "output|.*softmax.*", "axis"),
    Report("segment", "torch", "float16 inside", "b = torch.tanh(self.c(b))", "b = torch.tanh(self.c(b.half().to(b.dtype)))", "c.*", "precision"),
)  # fmt: skip

CARRIED = (
    Wrong("lenet", "keras", "kernel's rows and columns", "c1", '{"weight": w["weight"].swapaxes(2, 3)}', "transposed"),
    Wrong("lenet", "keras", "kernel turned", "c2", '{"weight": w["weight"][:, :, ::-1, ::-1]}', "flipped"),
    Wrong("lenet", "keras", "rows in (H, W, C) order", "d1", '{"weight": w["weight"].reshape(16, 8, 3, 3).transpose(0, 2, 3, 1).reshape(16, 72)}', "order"),
    Wrong("resnet", "keras", "kernel in/out", "layer1_conv1", '{"weight": w["weight"].swapaxes(0, 1)}', "in/out"),
    Wrong("resnet", "keras", "mean and variance", "layer1_bn1", '{"running_mean": w["running_var"], "running_var": w["running_mean"]}', "mean and variance"),
    Wrong("resnet", "keras", "gamma and beta", "layer2_bn2", '{"weight": w["bias"], "bias": w["weight"]}', "gamma and beta"),
    Wrong("resnet", "keras", "statistics left", "norm", '{"running_mean": 0 * w["running_mean"], "running_var": 0 * w["running_var"] + 1}', "not copied|statistics"),
    Wrong("sentiment", "keras", "gates of the LSTM", "lstm.forward_layer", '{k: np.concatenate([np.split(v, 4)[i] for i in (0, 1, 3, 2)]) for k, v in w.items()}', "gate"),
    Wrong("sentiment", "keras", "gates of the GRU", "gru", '{k: np.concatenate([np.split(v, 3)[i] for i in (1, 0, 2)]) for k, v in w.items()}', "gate"),
    Wrong("sentiment", "keras", "both directions alike", "lstm.backward_layer", 'others["lstm.forward_layer"]', "another layer|not copied"),
    Wrong("gpt", "keras", "queries and keys", "c_attn", '{k: np.concatenate([v[12:24], v[:12], v[24:]]) for k, v in w.items()}', "permuted|order"),
    Wrong("gpt", "keras", "kernel as it lies", "c_proj", '{"weight": w["weight"].T}', "in/out"),
    Wrong("gpt", "keras", "head left", "head", '{"weight": np.random.default_rng(1).standard_normal(w["weight"].shape) * 0.05}', "not copied"),
    Wrong("mobile", "keras", "multiplier of depthwise", "depth", '{"weight": w["weight"].reshape(8, 2, 1, 3, 3).swapaxes(0, 1).reshape(16, 1, 3, 3)}', "group|order|permuted"),
    Wrong("mobile", "keras", "groups of the convolution", "group", '{"weight": w["weight"].reshape(4, 4, 4, 3, 3).swapaxes(0, 1).reshape(16, 4, 3, 3)}', "group|order|permuted"),
    Wrong("gan", "keras", "transposed kernel not exchanged", "up1", '{"weight": w["weight"][:, :, ::-1, ::-1]}', "flipped|order"),
    Wrong("encoder", "keras", "bias left out", "ffn1", '{"bias": 0 * w["bias"]}', "bias|not copied"),
    Wrong("cifar", "keras", "rounded", "conv2", '{"weight": w["weight"].astype(np.float16).astype(np.float32)}', "round"),
)  # fmt: skip


HOME = Path(__file__).parent / "ported"


def places() -> list[str]:
    """Every row, "reported.network.side.row"."""
    return [f"reported.{row.network}.{row.side}.{row.name}" for row in (*REPORTS, *CARRIED)]


def planted(names: list[str]) -> Planted:
    """The fault of a row."""
    row = next(row for row in (*REPORTS, *CARRIED) if names == [f"reported.{row.network}.{row.side}.{row.name}"])
    text = (HOME / f"{row.network}.py").read_text()
    if isinstance(row, Wrong):
        change = eval(f"lambda w, others: {row.code}", {"np": np})
        fault = planting.Carried(row.side, row.layer, change)
        return Planted(tuple(names), text, row.side, ((row.at or row.layer, row.cause),), (fault,))
    split = min(i for mark in ("# In Keras.", "class Keras", "def keras_model") if (i := text.find(mark)) >= 0)
    before, after = (text[:split], text[split:]) if row.side == "torch" else (text[split:], text[:split])
    if before.count(row.found) != 1:
        raise ValueError(f"{names[0]}: {before.count(row.found)} places")
    before = before.replace(row.found, row.put)
    return Planted(
        tuple(names), before + after if row.side == "torch" else after + before, row.side, ((row.at, row.cause),)
    )
