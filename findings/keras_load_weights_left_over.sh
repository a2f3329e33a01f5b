#!/usr/bin/env bash
# Keras 3.15.1: `load_weights` of a `.weights.h5` into a model that has fewer layers takes what it has places for and says nothing of
# the rest, neither an error nor a warning: a network without its last stage and head loads a whole one's file. torch's
# `load_state_dict` names the keys that are left over. The other way round, a layer too many, Keras raises.
# Seen: "a model of 1 of 3 layers: loaded without a word; a model of 4 of 3: raised ValueError".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
seen=$(KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python -c '
import warnings
import keras
def network(count):
    keras.utils.clear_session()
    return keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(4) for _ in range(count))])
network(3).save_weights("three.weights.h5")
def told(count):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            network(count).load_weights("three.weights.h5")
        except ValueError as error:
            return f"raised {type(error).__name__}"
        return f"warned {heard[0].message}" if heard else "loaded without a word"
print(f"a model of 1 of 3 layers: {told(1)}; a model of 4 of 3: {told(4)}")
' 2>/dev/null | tail -n 1)
echo "$seen"
grep -q "a model of 1 of 3 layers: loaded without a word; a model of 4 of 3: raised ValueError" <<<"$seen"
