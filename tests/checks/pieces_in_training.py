"""Pairs whose weights lie in other pieces, as factories for a lock-step run; faults are planted in Keras's."""

from typing import Any

T, D, H, SHAPE = 5, 8, 2, (5, 8)


def torch_fused(heads: bool = False) -> Any:
    """Queries, keys and values in one layer; a token and positions of no layer."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.positions = nn.Parameter(torch.randn(1, 1, D)), nn.Parameter(torch.randn(1, T + 1, D))
            self.qkv, self.proj, self.head = nn.Linear(D, 3 * D), nn.Linear(D, D), nn.Linear(D, 4)

        def forward(self, x: Any) -> Any:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
            made = self.qkv(x)
            parts = made.unflatten(-1, (H, -1)).chunk(3, -1) if heads else made.unflatten(-1, (3, H, -1)).unbind(-3)
            q, k, v = (part.transpose(1, 2) for part in parts)
            made = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            return self.head((x + self.proj(made))[:, 0])

    return Net()


def torch_heads() -> Any:
    """The same with the numbers of one head after another."""
    return torch_fused(heads=True)


def keras_three(frozen: bool = False) -> Any:
    import keras
    from keras import layers, ops

    class Start(layers.Layer):
        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, D), name="token")
            self.positions = self.add_weight(shape=(1, T + 1, D), name="positions")

        def call(self, x: Any) -> Any:
            return ops.concatenate([ops.tile(self.token, (ops.shape(x)[0], 1, 1)), x], 1) + self.positions

    inputs = keras.Input(SHAPE)
    x = Start()(inputs)
    q, k, v = (layers.Dense(D, name=name, trainable=name != "key" or not frozen) for name in ("query", "key", "value"))
    parts = [layers.Permute((2, 1, 3))(layers.Reshape((T + 1, H, D // H))(part(x))) for part in (q, k, v)]
    scores = layers.Lambda(lambda y: ops.matmul(y[0], ops.swapaxes(y[1], -1, -2)) / (D // H) ** 0.5)(parts[:2])
    made = layers.Lambda(lambda y: ops.matmul(ops.softmax(y[0]), y[1]))([scores, parts[2]])
    made = layers.Reshape((T + 1, D))(layers.Permute((2, 1, 3))(made))
    x = layers.Add()([x, layers.Dense(D, name="proj")(made)])
    return keras.Model(inputs, layers.Dense(4, name="head")(x[:, 0]))


def keras_frozen() -> Any:
    """The keys are not trained."""
    return keras_three(frozen=True)


def torch_lstm() -> Any:
    """An LSTM by hand, its gates in the order i, f, o, g."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ih, self.hh, self.head = nn.Linear(D, 24), nn.Linear(6, 24, bias=False), nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            h = c = x.new_zeros(len(x), 6)
            for t in range(x.shape[1]):
                i, f, o, g = (self.ih(x[:, t]) + self.hh(h)).chunk(4, -1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            return self.head(h)

    return Net()


def keras_lstm(activation: str = "tanh") -> Any:
    import keras
    from keras import layers

    return keras.Sequential([keras.Input(SHAPE), layers.LSTM(6, activation=activation), layers.Dense(4)])


def keras_other() -> Any:
    return keras_lstm("softsign")


def torch_levels() -> Any:
    """Dropout between the levels of one module; two biases where Keras has one."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(D, 6, 2, batch_first=True, dropout=0.3, bias=False), nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x)[0][:, -1])

    return Net()


def keras_levels(rate: float = 0.3) -> Any:
    import keras
    from keras import layers

    first = layers.LSTM(6, return_sequences=True, use_bias=False)
    second = layers.LSTM(6, use_bias=False)
    return keras.Sequential([keras.Input(SHAPE), first, layers.Dropout(rate), second, layers.Dense(4)])


def keras_another_rate() -> Any:
    return keras_levels(0.5)
