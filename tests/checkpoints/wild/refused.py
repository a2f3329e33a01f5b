"""Files that a network must not be taken from without a word: what is said of each, and what makes it convert."""

import argparse
from collections.abc import Callable
from typing import Any

import torch

from .kinds import State, body, norm, under

Refused = tuple[Callable[[State], Any], str, dict[str, Any]]  # the file, what is said, and what makes it convert

REFUSED: dict[str, Refused] = {
    "teacher and student": (
        lambda state: {"teacher": state, "student": state},
        "choose one with --at teacher",
        {"at": "teacher"},
    ),
    "two encoders": (
        lambda state: under("encoder_q.", state) | under("encoder_k.", state),
        "choose one with --prefix encoder_q.",
        {"prefix": "encoder_q."},
    ),
    "an average beside the model": (
        lambda state: state | under("ema.", state),
        "choose one with --prefix ''",
        {"prefix": ""},
    ),
    "a head of two layers": (
        lambda state: (
            body(state)
            | {"fc.0.weight": torch.ones(64, 64), "fc.0.bias": torch.ones(64)}
            | {"fc.2.weight": torch.ones(16, 64), "fc.2.bias": torch.ones(16)}
        ),
        "take the network without a head with --headless",
        {"headless": True},
    ),
    "segmentation": (
        lambda state: under("backbone.", body(state)) | {"aux_classifier.0.weight": torch.ones(4, 64, 3, 3)},
        "name the variant with --model",
        {"model": "cifar_resnet20"},
    ),
    "attention among the blocks": (
        lambda state: under("backbone.", state) | {"backbone.layer1.0.se.fc1.weight": torch.ones(4, 16, 1, 1)},
        "squeeze-and-excitation",
        {},
    ),
    "an unknown part of a block": (
        lambda state: under("net.", state) | {"net.layer1.0.gate.weight": torch.ones(4, 16, 1, 1)},
        "1 unexpected: net.layer1.0.gate.weight",
        {},
    ),
}
REFUSED |= {
    "FCN": (
        lambda state: under("backbone.", body(state)) | {"classifier.0.weight": torch.ones(4, 64, 3, 3)},
        "a segmentation, whose last stages are dilated",
        {"model": "cifar_resnet20"},
    ),
    "re-identification": (
        lambda state: under("base.", body(state)) | norm("bottleneck", 64) | {"classifier.weight": torch.ones(9, 64)},
        "re-identification, whose last stage often does not stride",
        {"model": "cifar_resnet20"},
    ),
    "dilated by its arguments": (
        lambda state: {"model": state, "args": argparse.Namespace(dilation=True)},
        "dilates its last stages (dilation = True)",
        {"model": "cifar_resnet20"},
    ),
    "dilated by its configuration": (
        lambda state: {"state_dict": state, "meta": {"config": "backbone=dict(dilations=(1, 1, 2, 4))"}},
        "dilates its last stages",
        {"model": "cifar_resnet20"},
    ),
    "another activation": (
        lambda state: {"state_dict": state, "hyper_parameters": {"act_layer": "nn.SiLU"}},
        "has another activation",
        {"model": "cifar_resnet20"},
    ),
    "a projection with norms": (
        lambda state: body(state) | {"fc.0.weight": torch.ones(64, 64)} | norm("fc.1", 64),
        "take the network without a head with --headless",
        {"headless": True},
    ),
    "an image that is normalised first": (
        lambda state: under("1.", state) | {"0.mean": torch.ones(1, 3, 1, 1), "0.std": torch.ones(1, 3, 1, 1)},
        "by 0.mean, 0.std holds one that does something to it first",
        {"model": "cifar_resnet20"},
    ),
    "a layer before the stem": (
        lambda state: under("net.", state) | {"adapter.weight": torch.ones(3, 6, 1, 1)},
        "by adapter.weight holds one that does something to it first",
        {"model": "cifar_resnet20"},
    ),
    "a head without a bias": (
        lambda state: {name: tensor for name, tensor in state.items() if name != "fc.bias"},
        "1 missing: fc.bias; take the network without a head with --headless",
        {"headless": True},
    ),
    "attention behind the stem": (
        lambda state: body(state) | {"ca.fc.weight": torch.ones(4, 16), "ca.fc.bias": torch.ones(4)},
        "attends to channels or pixels, by ca.fc.weight",
        {},
    ),
    "pruned": (
        lambda state: (
            {f"{name}_orig": each for name, each in state.items() if name == "conv1.weight"}
            | {name: each for name, each in state.items() if name != "conv1.weight"}
        ),
        "call torch.nn.utils.prune.remove",
        {},
    ),
    "ZeRO-3": (
        lambda state: {"module": {name: torch.empty(0) for name in state}, "ds_version": "0.14"},
        "run `python zero_to_fp32.py . OUT`",
        {},
    ),
    "group norms": (
        lambda state: {name: tensor for name, tensor in state.items() if "running" not in name},
        "its norms have none",
        {},
    ),
    "a Linear beside the head": (
        lambda state: state | {"gate.weight": torch.ones(64, 64), "gate.bias": torch.ones(64)},
        "take the network without a head with --headless",
        {"headless": True},
    ),
    "a Linear in a block": (
        lambda state: body(state) | {"layer1.0.gate.weight": torch.ones(64, 64), "layer1.0.gate.bias": torch.ones(64)},
        "2 unexpected: layer1.0.gate.weight, layer1.0.gate.bias",
        {},
    ),
}
