"""Keras 3, on any backend. Importing this imports no framework."""

from parity.frameworks.folders import Model

TITLE = "Keras"

MODEL = Model("Model", "keras.", "keras.Model")
