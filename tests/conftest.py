"""What must stand before TensorFlow is first imported: its settings, and torch with all that it loads late."""

import os

import torch  # noqa: F401 - first, so that nothing of it is missing beside TensorFlow

import parity  # noqa: F401 - whose import hook loads triton before TensorFlow, see parity.frameworks.triton_first

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
