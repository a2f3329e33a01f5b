"""Weights that can lie in several ways in another model, branches that could be exchanged -> the way that agrees.

Shapes do not say whether the rows of a fused projection are queries, keys and values, or those of one head after
another; numbers do. Each way is tried, the likeliest first, until the outputs agree; where they never do, as the models
differ, the way stays in which the most tensors meet.
"""

from parity.models.inputs import Inputs
from parity.models.steps import is_output
from parity.runners.runner import Runner
from parity.verdict.measured import Met

from .prepare import Prepared


def chosen(torch: Runner, keras: Runner, ready: Prepared, x: Inputs) -> Prepared:
    """Both sides with weights held in the best of the ways."""
    found: list[tuple[tuple[bool, int], Prepared]] = []
    for pairing in ready.pairing.trials:
        trial = ready.again(torch, keras, x, pairing)
        torch.rename(pairing.torch.of_weights, {}, {}).result()
        keras.rename(pairing.keras.of_weights, pairing.layers, pairing.orders).result()
        met = list(keras.find_equal(x, torch.record(x, "float64").result(), {}, {}))
        found.append((_equal(met), trial))
        if found[-1][0][0]:
            return trial
    best = max(found, key=lambda each: each[0])[1]
    return ready.again(torch, keras, x, best.pairing)


def chosen_by_weights(torch: Runner, keras: Runner, ready: Prepared, x: Inputs, dtype: str) -> Prepared:
    """Where weights are kept and branches could be exchanged: the way in which the weights are the same."""
    if len(ready.pairing.others) < 2:
        return ready
    for pairing in ready.pairing.others:
        trial = ready.again(torch, keras, x, pairing)
        if not keras.unequal(torch.put_weights().result()).result():
            return trial.anew(torch, keras, x, dtype)
    return ready.again(torch, keras, x, ready.pairing.others[0]).anew(torch, keras, x, dtype)


def _equal(met: list[Met]) -> tuple[bool, int]:
    """Whether the outputs are equal, and how many steps are."""
    outputs = [each for each in met if is_output(each.step.key)]
    agree = bool(outputs) and all(each.step.key in each.partners for each in outputs)
    return agree, sum(bool(each.partners) for each in met)
