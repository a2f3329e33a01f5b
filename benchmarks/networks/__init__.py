"""Small networks that are not ours, each written twice, for benchmarks/faults.py to break.

In each module `Torch()` is a network, `keras_model()` the same, and SHAPE its input (channels first, no batch). One
layer stands on a line; a line of the forward pass whose change shows behind another layer names it: `# at: NAME`.
"""
