"""An encoder's layer (Vaswani et al. 2017), small, of the frameworks' own attention layers, norms behind."""

import keras
from keras import layers
from torch import nn
from torch.nn import functional as F

SHAPE = (6, 12)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(12, 12)
        self.mha = nn.MultiheadAttention(12, 3, batch_first=True)
        self.norm1 = nn.LayerNorm(12, eps=1e-6)
        self.ffn1 = nn.Linear(12, 24)
        self.ffn2 = nn.Linear(24, 12)
        self.norm2 = nn.LayerNorm(12, eps=1e-6)
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        x = self.inp(x)
        a, _ = self.mha(x, x, x)
        x = self.norm1(x + a)
        f = self.ffn2(F.silu(self.ffn1(x)))
        x = self.norm2(x + f)
        x = x.mean(dim=1)
        return F.normalize(self.out(x), dim=1)


def keras_model():
    given = keras.Input((6, 12))
    x = layers.Dense(12, name="inp")(given)
    a = layers.MultiHeadAttention(num_heads=3, key_dim=4, name="mha")(x, x)
    x = layers.Add()([x, a])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm1")(x)
    f = layers.Dense(24, activation="silu", name="ffn1")(x)
    f = layers.Dense(12, name="ffn2")(f)
    x = layers.Add()([x, f])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm2")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(5, name="out")(x)
    x = layers.UnitNormalization(axis=-1, name="unit")(x)
    return keras.Model(given, x)
