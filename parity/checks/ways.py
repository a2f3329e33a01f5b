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
    """Where weights are kept, and could be partners in several ways: the way in which the most are the same.

    Of ways with as many, it is the likeliest.
    """
    if len(ready.pairing.trials) < 2 or not (fewest := _different(torch, keras)):
        return ready
    best, now = ready.pairing, ready.pairing
    for now in ready.pairing.trials:
        ready = ready.again(torch, keras, x, now)
        different = _different(torch, keras)
        if different < fewest:
            fewest, best = different, now
        if not different:
            break
    ready = ready if best is now else ready.again(torch, keras, x, best)
    return ready.anew(torch, keras, x, dtype)


def _different(torch: Runner, keras: Runner) -> int:
    """How many tensors of the two sides are not the same as data."""
    return len(keras.unequal(torch.put_weights().result()).result())


def _equal(met: list[Met]) -> tuple[bool, int]:
    """Whether the outputs are equal, and how many steps are."""
    outputs = [each for each in met if is_output(each.step.key)]
    agree = bool(outputs) and all(each.step.key in each.partners for each in outputs)
    return agree, sum(bool(each.partners) for each in met)
