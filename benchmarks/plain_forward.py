"""What anyone would write without parity: import both frameworks, build both ResNet-50s, run each forward once.

`python -m benchmarks.plain_forward [BATCH]`, 2 images of 224x224 if not given.
"""

import sys

import numpy as np
import torch

import resnet_keras
import resnet_torch

batch = int(sys.argv[1]) if len(sys.argv) > 1 else 2
x = np.random.default_rng(0).standard_normal((batch, 3, 224, 224), dtype=np.float32)
torch_model = resnet_torch.resnet50().eval()
with torch.no_grad():
    a = torch_model(torch.from_numpy(x)).numpy()
keras_model = resnet_keras.resnet50()
b = np.asarray(keras_model(x.transpose(0, 2, 3, 1)))
assert a.shape == b.shape == (batch, 1000)
