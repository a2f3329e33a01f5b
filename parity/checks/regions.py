"""Two models whose steps are not the same ones -> the cut points at which they are compared, found by running both."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from parity.models.arrays import View
from parity.models.inputs import Inputs
from parity.models.steps import is_output
from parity.pairs.cuts import Cuts, Matched, Partners, anchored_cuts, free_cuts, lying_of, opened, with_cuts
from parity.pairs.graph import Graph
from parity.pairs.orders import Orders, orders_of
from parity.pairs.pairing import Pairing
from parity.runners.recording import Recording
from parity.runners.runner import Runner
from parity.verdict.measured import Met

ALONE = 8  # steps that are tried one by one


@dataclass(frozen=True)
class Regions:
    """The cut points of two models, and the graphs of all their steps, by their own names."""

    cuts: Cuts
    torch: Graph
    keras: Graph
    pairing: Pairing  # by structure
    partners: Partners
    agree: bool  # whether the outputs do

    @property
    def orders(self) -> Orders:
        """Those of the weights along flattened images, that equal numbers show beside names and places."""
        equal = {key: [t for t, view in found.items() if view is None] for key, found in self.partners.items()}
        return self.pairing.orders | orders_of(self.torch.steps, self.keras.steps, self.pairing.found, equal)

    @property
    def pairing_by_value(self) -> Pairing:
        return with_cuts(self.pairing, self.cuts, self.torch, self.keras)

    def opened(self, faults: list[str]) -> "Regions":
        """With the regions that these steps end shown step by step."""
        return replace(self, cuts=opened(self.cuts, faults, self.torch, self.keras, self.pairing))

    @property
    def unlike(self) -> frozenset[str]:
        """The cut points that are ends of other operations in Keras, and are fed otherwise."""
        pairs = self.cuts.pairs.items()
        return frozenset(t for t, k in pairs if self.torch.steps[t].kind != self.keras.steps[k].kind)

    def notes(self) -> Iterator[tuple[str, str]]:
        """What was compared as one, in a sentence, by the step that it ends with."""
        for key, region in self.cuts.regions(self.torch, self.keras):
            sides = (("torch", region.torch), ("Keras", region.keras))
            parts = [f"{_few(paths)} in {side}" for side, paths in sides if paths]
            yield key, f"compared as one with {' and '.join(parts)}"


def _few(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


def find_regions(torch: Runner, keras: Runner, pairing: Pairing, x: Inputs) -> Regions | None:
    """Run both sides on x in float64, and find where they are equal. None where a side cannot run anew.

    Where the outputs disagree, the steps with weights that are paired by structure go on with torch's numbers, so that
    behind a fault equal steps are equal again.
    """
    torch.rename(pairing.torch.of_weights, {}, {}).result()
    keras.rename(pairing.keras.of_weights, pairing.layers, pairing.orders).result()
    recording = torch.record(x, "float64").result()
    likely = pairing.found
    back = {k: t for t, k in likely.items()}
    met = list(keras.find_equal(x, recording, back, {}))
    if not met:
        return None
    ours, theirs = Graph(recording.steps), Graph([each.step for each in met])
    order = [key for key in theirs.steps if not is_output(key) or key in ours.steps]  # not what Keras alone gives
    partners = _partners(met)
    if _agree(met, ours):
        cuts = free_cuts(order, partners, likely)
        unseen = _unseen(cuts, likely, ours, theirs)
        if not unseen or _matters(keras, x, recording, unseen, ours):
            return Regions(cuts, ours, theirs, pairing, partners, True)
    anchors = {t: k for t, k in pairing.anchors.items() if _like(t, k, ours, theirs)}
    lying = {t: view for t, k in anchors.items() if (view := lying_of(ours, theirs, t, k)) is not None}
    views = {anchors[t]: view for t, view in lying.items()}
    keras.rename(replace(pairing.keras.of_weights, views=views), pairing.layers, pairing.orders).result()
    anchored = _seen(_partners(keras.find_equal(x, recording, back, {k: t for t, k in anchors.items()})), views)
    both = {key: anchored.get(key, {}) | partners.get(key, {}) for key in order}
    return Regions(anchored_cuts(order, both, likely, anchors, lying), ours, theirs, pairing, both, False)


def _partners(met: "Iterator[Met] | list[Met]") -> Partners:
    return {each.step.key: each.partners for each in met}


def _seen(partners: Partners, views: dict[str, View]) -> Partners:
    """The partners of steps that were shown as these views have them: so they lie, where they are equal as shown."""
    return {
        key: {t: views.get(key) if view is None else view for t, view in found.items()}
        for key, found in partners.items()
    }


def _agree(met: list[Met], torch: Graph) -> bool:
    """Whether every output that both models have is the same."""
    common = [each for each in met if is_output(each.step.key) and each.step.key in torch.steps]
    return bool(common) and all(each.step.key in each.partners for each in common)


def _like(t: str, k: str, torch: Graph, keras: Graph) -> bool:
    return prod(torch.steps[t].shape) == prod(keras.steps[k].shape)


def _unseen(cuts: Cuts, likely: Matched, torch: Graph, keras: Graph) -> Matched:
    """Steps that are one by name or place, and not by their numbers, although the outputs agree."""
    left = {t: k for t, k in likely.items() if t not in cuts.pairs and k not in cuts.pairs.values()}
    return {t: k for t, k in left.items() if t in torch.steps and k in keras.steps and _like(t, k, torch, keras)}


def _matters(keras: Runner, x: Inputs, recording: Recording, unseen: Matched, torch: Graph) -> bool:
    """Whether each of these steps acts on the outputs: with torch's numbers in Keras's place they must change.

    If not, they are equal because the outputs show nothing of them (a saturated softmax), and no proof of anything.
    """
    pairs = list(unseen.items())
    trials = [[pair] for pair in pairs] if len(pairs) <= ALONE else [pairs]
    return all(
        not _agree(list(keras.find_equal(x, recording, {}, {k: t for t, k in trial})), torch) for trial in trials
    )
