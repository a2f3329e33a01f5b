"""The operation of Keras's -> what computes it in float64, of those of the table of kinds (models/kinds/exact.py)."""

from functools import partial

from keras import ops

from parity.models.kinds import KINDS

NOTE = "float64 by an exact equivalent: TensorFlow {}"
EXACT = {exact.operation: partial(exact.run, ops) for kind in KINDS for exact in kind.exact}
REASONS = {exact.operation: exact.reason for kind in KINDS for exact in kind.exact}
