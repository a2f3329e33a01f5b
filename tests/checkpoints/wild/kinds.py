"""Files as people have them, made here with random weights: names, wrappings and axes of other libraries and trainers.

A kind is a function of a network's state_dict, by torchvision's names, to what such a file holds.
"""

import argparse
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

State = dict[str, torch.Tensor]


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def body(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def with_head(name: str, state: State) -> State:
    return body(state) | {f"{name}.weight": state["fc.weight"], f"{name}.bias": state["fc.bias"]}


def counted(state: State) -> State:
    """With what a profiler leaves in every module."""
    paths = {name.rpartition(".")[0] for name in state}
    return state | {f"{path}.{what}": torch.zeros(1) for path in paths for what in ("total_ops", "total_params")}


def detectron(state: State) -> State:
    found = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        parts = path.split(".")
        if path in ("conv1", "bn1"):
            new = "stem.conv1" + (".norm" if path == "bn1" else "")
        elif path == "fc":
            new = "linear"
        else:
            stage, block, layer = int(parts[0].removeprefix("layer")), parts[1], parts[2]
            last = {"conv": layer, "bn": f"conv{layer[2:]}.norm"}.get(layer.rstrip("123"), "shortcut")
            last += ".norm" if parts[2:] == ["downsample", "1"] else ""
            new = f"res{stage + 1}.{block}.{last}"
        found[f"{new}.{leaf}"] = tensor
    return found


def children(state: State) -> State:
    numbers = {"conv1": "0", "bn1": "1", "fc": "9"}
    found = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        number = numbers.get(first) or str(int(first.removeprefix("layer")) + 3)
        found[f"{number}.{rest}"] = tensor
    return found


def bare_children(state: State) -> State:
    """Of a network without its max pool."""
    found = {}
    for name, tensor in children(state).items():
        number, _, rest = name.partition(".")
        found[f"{int(number) - (int(number) > 3)}.{rest}"] = tensor
    return found


def norm(path: str, channels: int) -> State:
    return {f"{path}.{leaf}": torch.ones(channels) for leaf in ("weight", "bias", "running_mean", "running_var")}


def nvidia(state: State) -> State:
    renamed = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        renamed[f"layers.{int(first[5:]) - 1}.{rest}" if first.startswith("layer") else name] = tensor
    return renamed


def kuangliu(state: State) -> State:
    return {name.replace("downsample", "shortcut").replace("fc.", "linear."): t for name, t in state.items()}


def weiaicunzai(state: State) -> State:
    found = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        stage, _, rest = path.partition(".")
        if stage.startswith("layer"):
            block, _, layer = rest.partition(".")
            number = int(layer[-1]) * 3 - (3 if layer.startswith("conv") else 2)
            inner = layer.replace("downsample", "shortcut") if "." in layer else f"residual_function.{number}"
            path = f"conv{int(stage[5:]) + 1}_x.{block}.{inner}"
        found[f"{ {'conv1': 'conv1.0', 'bn1': 'conv1.1'}.get(path, path) }.{leaf}"] = tensor
    return found


def paddle(state: State) -> State:
    words = {"running_mean": "_mean", "running_var": "_variance"}
    found = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        found[f"{path}.{words.get(leaf, leaf)}"] = tensor.T.contiguous() if name == "fc.weight" else tensor
    return found


def mlx(state: State) -> State:
    return {name: t.permute(0, 2, 3, 1).contiguous() if t.ndim == 4 else t for name, t in state.items()}


def fully_sharded(state: State) -> State:
    return {
        f"_fsdp_wrapped_module.{name.replace('conv', '_checkpoint_wrapped_module.conv', 1)}": tensor
        for name, tensor in state.items()
    }


class Average(torch.nn.Module):
    """torch.optim.swa_utils.AveragedModel's state."""


TAKEN: dict[str, Callable[[State], Any]] = {  # converted without an option
    "DataParallel": lambda state: under("module.", state),
    "compiled": lambda state: under("_orig_mod.", state),
    "compiled DDP": lambda state: under("_orig_mod.module.", state),
    "Lightning": lambda state: {"state_dict": under("model.", state), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    "Lightning with a loss": lambda state: {
        "state_dict": under("net.", state) | {"criterion.weight": torch.ones(10), "metric.total": torch.ones(1)}
    },
    "averaged": lambda state: {"n_averaged": torch.tensor(3)} | under("module.", state),
    "profiled": counted,
    "profiled in parallel": lambda state: under("module.", counted(state)),
    "MoCo v1": lambda state: under("module.encoder_q.", state) | {"module.queue": torch.ones(8, 9)},
    "detection": lambda state: under("backbone.body.", body(state)) | {"rpn.head.conv.weight": torch.ones(4, 64, 3, 3)},
    "mmpretrain": lambda state: {
        "state_dict": under("backbone.", body(state))
        | {"head.fc.weight": state["fc.weight"], "head.fc.bias": state["fc.bias"]},
        "meta": {"epoch": 3},
    },
    "solo-learn": lambda state: {
        "state_dict": under("backbone.", body(state)) | under("classifier.", state_head(state))
    },
    "Cadene": lambda state: with_head("last_linear", state),
    "dropout before the head": lambda state: with_head("fc.1", state),
    "renamed head": lambda state: with_head("classifier", state),
    "detectron2": detectron,
    "detectron2 in a detector": lambda state: under("backbone.bottom_up.", detectron(body(state))),
    "children": children,
    "NVIDIA": nvidia,
    "kuangliu": lambda state: {"net": under("module.", kuangliu(state)), "acc": 95.2, "epoch": 199},
    "weiaicunzai": weiaicunzai,
    "Paddle": paddle,
    "MLX": mlx,
    "FSDP": fully_sharded,
    "average beside": lambda state: {"ema": state, "optimizer": {"state": {}, "param_groups": []}},
    "two levels deep": lambda state: {"params": {"network": state}},
    "arguments": lambda state: {"args": argparse.Namespace(lr=0.1), "state_dict": OrderedDict(state)},
    "in a list": lambda state: [state, {"state": {}, "param_groups": []}],
    "trunk and heads": lambda state: {
        "base_model": {
            "model": {"trunk": body(state), "heads": {"0.weight": torch.ones(3, 64), "0.bias": torch.ones(3)}}
        }
    },
    "children without a pool": lambda state: under("f.", bare_children(state)),
    "DETR": lambda state: {
        "model": under("backbone.0.body.", body(state)) | {"class_embed.weight": torch.ones(9, 8)},
        "args": argparse.Namespace(dilation=False, backbone="resnet20"),
    },
    "a norm before the head": lambda state: {
        "state_dict": under("backbone.", body(state)) | under("head.1.", state_head(state)) | norm("head.0", 64)
    },
    "half": lambda state: {name: tensor.half() for name, tensor in state.items()},
    "bfloat16": lambda state: {name: tensor.bfloat16() for name, tensor in state.items()},
}


def state_head(state: State) -> State:
    return {"weight": state["fc.weight"], "bias": state["fc.bias"]}
