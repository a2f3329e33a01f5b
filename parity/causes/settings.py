"""A setting of one side tried on the other: which of them explains a fault."""

from collections.abc import Iterator

from parity.models.edits import Mend

from .evidence import Config, Evidence, Guess
from .rerun import run

CUT = "transposed convolution cut elsewhere"

SETTING_CAUSES = {
    "eps": "BN eps",
    "stride": "stride on the wrong convolution",
    "padding": "asymmetric padding",
    "padding_mode": "padding mode",
    "transposed_padding": CUT,
    "dilation": "wrong dilation",
    "slope": "activation slope",
    "count_include_pad": "padding counted in the average",
    "interpolation": "interpolation of the resize",
    "activation": "recurrent activation",
    "recurrent_activation": "recurrent activation",
    "reverse": "direction of the sequence",
}

NO_SETTINGS = {"momentum", "bias"}  # it shows in training alone; a bias more or less is a weight more or less


def setting_guesses(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's settings: each that differs, then all of them."""
    shared = (ours.static.keys() & theirs.static.keys()) - NO_SETTINGS
    wrong = {k: v for k, v in theirs.static.items() if k in shared and ours.static[k] != v}
    for chosen in [{k: v} for k, v in wrong.items()] + ([wrong] if len(wrong) > 1 else []):
        predicted = run(ours, evidence.inputs, **chosen)
        if predicted is not None:
            first = next(k for k in ("dilation", "stride", *chosen) if k in chosen)
            text = ", ".join(f"{k} {v} instead of {ours.static[k]}" for k, v in chosen.items())
            told = f"torch's layer run with Keras's {text}"
            yield SETTING_CAUSES.get(first, first), predicted, told, Mend("settings", value=tuple(chosen))
