"""What a torch citizen needs and a reader does not: lazy modules, builders with a name, outputs by path."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .configs import INITIALIZERS, one_of
from .layers import Conv2d, Conv2dSame


class LazyConv2dSame(nn.LazyConv2d):
    """`Conv2dSame` that learns its input channels from the first input, as `nn.LazyConv2d` does."""

    cls_to_become = Conv2dSame

    def __init__(self, *args: Any, init: str = "kaiming", **kwargs: Any) -> None:
        one_of("init", init, INITIALIZERS)
        self.init = init
        super().__init__(*args, **kwargs)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            Conv2d.reset_parameters(self)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:  # of the first call alone: by then this is a Conv2dSame
        return Conv2dSame.forward(self, input)  # type: ignore[arg-type]


def intermediate_outputs(model: nn.Module, x: Tensor, paths: list[str]) -> dict[str, Tensor]:
    """Run `model(x)` and return the outputs of the layers at the dotted `paths`, in (N, C, ...) layout.

    The path of the model itself is "". A layer that runs more than once (a shared ReLU) returns its last output.
    Raises KeyError for a path that the model does not have or that did not run.
    """
    modules = dict(model.named_modules())
    outputs: dict[str, Tensor] = {}

    def keep(path: str) -> Any:
        # An in-place activation further on would overwrite what is kept, so a copy is taken.
        return lambda module, args, output: outputs.__setitem__(path, output.clone())

    unknown = [path for path in paths if path not in modules]
    if unknown:
        raise KeyError(f"no layer at {unknown}; layers are named like {list(modules)[1:4]}")
    handles = [modules[path].register_forward_hook(keep(path)) for path in paths]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    missing = [path for path in paths if path not in outputs]
    if missing:
        raise KeyError(f"the layers at {missing} did not run")
    return {path: outputs[path] for path in paths}


def described(build: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The builder of a variant, under its name and with its documentation: for help(), pickle and tracebacks."""
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""Build {name}, with fresh weights unless some are given; configs.py says what it is.

    num_classes: 0 leaves the classifier out. in_channels, num_classes, input_size, shortcut: None takes the row's.
    input_size: (H, W) or one number; PyTorch takes any size at any time, so it is only recorded.
    shortcut: "A", "B", "C" or "none". zero_init_residual: each block starts as the identity.
    replace_stride_with_dilation: one boolean per stage after the first. classifier_activation: None gives logits.
    weights: None, a published name ("IMAGENET1K_V2", see published.py) or a file; the classifier of another number of
    classes stays new with head="reset", or takes the first rows with head="slice".
    Raises ValueError, which says what is allowed.
    """
    return build
