"""What a file states of a head that is not taken does not count; what it states of the network before does."""

import json

import keras

from parity.checkpoints.recognize import Architecture
from parity.checkpoints.source import without_head
from parity.checkpoints.statements import Statement, statements


def described(model: keras.Model) -> Statement:
    (found,) = statements(json.loads(json.dumps(keras.saving.serialize_keras_object(model))), "config.json")
    return found


def test_a_head_that_is_not_taken_is_not_asked_for() -> None:
    """Two Dense behind the pooled features: without a head the features are what is stated, after that pool alone."""
    body = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    head = [keras.layers.Dense(8, "relu"), keras.layers.Dense(7)]
    bare = Architecture("resnet50_keras", {"num_classes": 0}).config
    for pool, wrong in ((keras.layers.GlobalAveragePooling2D(), 0), (keras.layers.GlobalMaxPooling2D(), 1)):
        model = keras.Sequential([keras.Input((64, 64, 3)), body, pool, *head])
        statement = described(model)
        assert statement.differences(bare)
        assert len(without_head(statement).differences(bare)) == wrong
