"""What a Keras citizen needs and a reader does not: tracking, saving, names, builders, outputs by path."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from .configs import ResNetConfig

PACKAGE = "resnet_keras"

register = keras.saving.register_keras_serializable(PACKAGE)


class Traced(keras.layers.Layer):
    """A composite, layer or model, that is built by calling itself once on shapes.

    The sublayers then know their true output shapes, so `summary()` shows them, and every weight exists before the
    first batch. Nothing is computed: Keras's symbolic tensors carry shapes only. A sublayer is named after its
    attribute, so names are torch's paths, and every subclass is registered, so `load_model` needs no custom_objects.
    `folded`: the paths of each convolution that has taken a norm in, and of that norm (see `fold.py`).
    """

    folded: tuple[tuple[str, str], ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ours = cls.__module__.rpartition(".")[0] == __package__  # a subclass elsewhere must not take our names
        keras.saving.register_keras_serializable(PACKAGE if ours else cls.__module__)(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, keras.layers.Layer):
            value.name = name
        super().__setattr__(name, value)

    def build(self, input_shape: Any) -> None:
        outputs = self.call(keras.KerasTensor(input_shape, dtype=self.compute_dtype))
        self.__dict__["returned"] = tuple(keras.tree.flatten(outputs))  # past Keras's tracking: not to be saved

    def compute_output_shape(self, input_shape: Any) -> Any:
        outputs = self.call(keras.KerasTensor(input_shape, dtype=self.compute_dtype))
        return keras.tree.map_structure(lambda output: output.shape, outputs)

    def get_config(self) -> dict[str, Any]:
        """The name, the dtype policy, what is frozen, and what the subclass needs to make itself again."""
        frozen = [path for path, layer in named_layers(self) if not layer.trainable]
        dtype = keras.dtype_policies.serialize(self.dtype_policy)
        config = {"name": self.name, "dtype": dtype, "frozen": frozen, "arguments": self._arguments()}
        return config | ({"folded": self.folded} if self.folded else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(keras.dtype_policies.deserialize(config["dtype"]))
        try:
            made = cls._from_arguments(config["arguments"])
        finally:
            keras.config.set_dtype_policy(before)
        made.name = config["name"]
        made._make_folded(config.get("folded", ()))
        if config["frozen"]:
            for path, layer in named_layers(made):  # from the outside in: setting a layer sets those inside it
                layer.trainable = path not in config["frozen"]
        return made

    def _arguments(self) -> Any:
        raise NotImplementedError

    @classmethod
    def _from_arguments(cls, arguments: Any) -> Any:
        raise NotImplementedError

    def _make_folded(self, pairs: Any) -> None:
        """Give each convolution a bias, and put an identity in the place of the norm that it takes in."""
        self.folded = tuple((conv, norm) for conv, norm in pairs)
        for conv, norm in self.folded:
            layer_at(self, conv).add_bias()
            old = layer_at(self, norm)
            new = keras.layers.Identity(dtype=old.dtype_policy)
            if old.built:
                new.build_from_config(old.get_build_config())
            for owner in (owner for _, owner in named_layers(self) if old in getattr(owner, "_layers", ())):
                owner._tracker.replace_tracked_value("layers", old, new)  # in its place: a summary keeps its order
                attributes = vars(owner) | vars(owner).get("_modules", {})  # the latter on the torch backend
                for name in [name for name, value in attributes.items() if value is old]:
                    setattr(owner, name, new)

    def __dir__(self) -> list[str]:
        # Keras saves what it finds by `dir`, each layer under the first name in the alphabet: it must be the attribute.
        # On the torch backend the numbers in a Sequential would be left out.
        attributes = [layer.name for layer in getattr(self, "_layers", ())]
        return sorted({*super().__dir__(), *attributes} - {"layers", "_made_with"})


def named_layers(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The layer itself, under the path "", and every layer in it by its dotted path, from the outside in."""
    yield path, layer
    for child in getattr(layer, "layers", ()):
        yield from named_layers(child, f"{path}.{child.name}" if path else child.name)


class Block(Traced):
    """A layer made of layers, which saves as the arguments it was made with.

    `layers` lists the sublayers, so `summary(expand_nested=True)` opens the block.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "Block":
        block = super().__new__(cls, *args, **kwargs)
        block.__dict__["_made_with"] = (args, kwargs)  # past Keras's tracking, which does not exist yet
        return block

    def _arguments(self) -> Any:
        return keras.saving.serialize_keras_object(self._made_with)

    @classmethod
    def _from_arguments(cls, arguments: Any) -> "Block":
        args, kwargs = keras.saving.deserialize_keras_object(arguments)
        return cls(*args, **kwargs)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return list(self._layers)


class Sequential(Block):
    """Layers one after another, each under its number as attribute and name, as in `torch.nn.Sequential`.

    `keras.Sequential` would tie the block to one input size; this one takes any.
    """

    def __init__(self, *layers: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for number, layer in enumerate(layers):
            setattr(self, str(number), layer)

    def call(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class Parallel(Sequential):
    """Layers side by side, each on the same input; the outputs come as a list."""

    def call(self, x: Any) -> Any:
        return [layer(x) for layer in self.layers]


class Model(Traced, keras.Model):
    """A model that saves as its `config`, a frozen dataclass."""

    config: ResNetConfig

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.export`, also before the first call: Keras demands one, so it is made here, on zeros."""
        self(ops.zeros((1, *self.config.image_size, self.config.in_channels)))
        return super().export(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """`keras.Model.make_train_function`; the optimizer's state is made here, not in the graph: a second less."""
        if keras.backend.backend() == "tensorflow" and self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def stateless_call(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.stateless_call`, but as a whole layer: `call` alone would tell no sublayer of `training`."""

        def whole(*inputs: Any, **options: Any) -> Any:
            del self.__dict__["call"]
            return self(*inputs, **options)

        self.__dict__["call"] = whole  # past Keras's attribute tracking
        try:
            return super().stateless_call(*args, **kwargs)
        finally:
            self.__dict__.pop("call", None)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = "auto", *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.predict`; one silent batch goes without its input pipeline, 50 ms of work."""
        alone = getattr(getattr(self, "distribute_strategy", None), "num_replicas_in_sync", 1) == 1
        alone = alone and keras.distribution.distribution() is None
        silent = verbose == 0 and not (args or kwargs)
        batch = isinstance(x, np.ndarray) and x.dtype == self.compute_dtype and 0 < len(x) <= (batch_size or 32)
        if alone and silent and batch:
            return self.predict_on_batch(x)
        return super().predict(x, batch_size, verbose, *args, **kwargs)

    def _arguments(self) -> Any:
        return {"config": asdict(self.config), "name": self.name}

    @classmethod
    def _from_arguments(cls, arguments: Any) -> "Model":
        return cls(ResNetConfig(**arguments["config"]), name=arguments["name"])


def intermediate_outputs(model: keras.Model, x: Any, paths: list[str]) -> dict[str, Any]:
    """Run `model(x)` and return the outputs of the layers at the dotted `paths`, in (N, ..., C) layout.

    The path of the model itself is "". A layer that runs more than once (a shared ReLU) returns its last output.
    Raises KeyError for a path that the model does not have or that did not run.
    """
    outputs: dict[str, Any] = {}

    def keep(path: str, call: Any) -> Any:
        def kept(*args: Any, **kwargs: Any) -> Any:
            outputs[path] = call(*args, **kwargs)
            return outputs[path]

        return kept

    layers = {path: layer_at(model, path) for path in paths}
    for path, layer in layers.items():
        layer.__dict__["call"] = keep(path, layer.call)  # past Keras's attribute tracking: it is taken off again
    try:
        model(x)
    finally:
        for layer in layers.values():
            layer.__dict__.pop("call", None)  # one layer may stand at two paths
    missing = [path for path in paths if path not in outputs]
    if missing:
        raise KeyError(f"the layers at {missing} did not run")
    return {path: outputs[path] for path in paths}


def layer_at(model: keras.Model, path: str) -> Any:
    layer: Any = model
    for name in path.split(".") if path else ():
        layer = getattr(layer, name, None)
        if not isinstance(layer, keras.layers.Layer):
            raise KeyError(f"no layer at {path!r}; layers are named like {[child.name for child in model.layers[:3]]}")
    return layer


def described(build: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The builder of a variant, under its name and with its documentation: for help(), pickle and tracebacks."""
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""Build {name}, with fresh weights unless some are given; configs.py says what it is.

    num_classes: 0 leaves the classifier out. in_channels, num_classes, input_size, shortcut: None takes the row's.
    input_size: (H, W) or one number; the model is built at that size and takes any other later.
    shortcut: "A", "B", "C" or "none". zero_init_residual: each block starts as the identity.
    replace_stride_with_dilation: one boolean per stage after the first. classifier_activation: None gives logits.
    weights: None, a published name ("IMAGENET1K_V2", see published.py) or a file; the classifier of another number of
    classes stays new with head="reset", or takes the first rows with head="slice".
    Raises ValueError, which says what is allowed.
    """
    return build
