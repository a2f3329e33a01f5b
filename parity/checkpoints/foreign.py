"""Networks that are not ours, told from the names of their tensors: what each is, and why its weights fit nothing here.

A row is no naming scheme: under one, shapes would fit, and the network would compute something else.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

OWN_MODEL = "convert it between two models of your own with --torch and --keras"


class Foreign(NamedTuple):
    """A family: what it is called, a pattern of its names, why it is another, how many names at least have it.

    step: what to do, where that is not to convert it as a model of one's own.
    """

    what: str
    pattern: re.Pattern[str]
    why: str
    least: int = 1
    step: str = OWN_MODEL


def _row(what: str, pattern: str, why: str, least: int = 1, step: str = OWN_MODEL) -> Foreign:
    return Foreign(what, re.compile(pattern), why, least, step)


FAMILIES: tuple[Foreign, ...] = (
    _row(
        "a pruned network",
        r"weight_orig$",
        "its kernels lie beside their masks",
        step="call torch.nn.utils.prune.remove on every pruned layer and save it again",
    ),
    _row(
        "a network prepared for quantisation",
        r"fake_quant|activation_post_process|_packed_params|\.zero_point$",
        "its numbers are rounded as it runs",
        step="save the network before it is quantised",
    ),
    _row(
        "a network whose weights are computed",
        r"\.parametrizations\.|weight_[gv]$|weight_(?:u|bar)$",
        "torch makes its weights of others each time",
        step="call torch.nn.utils.parametrize.remove_parametrizations, or remove_weight_norm, and save it again",
    ),
    _row(
        "a ResNet of Caffe's names, as early keras.applications wrote them",
        r"(?:^|/)(?:res|bn|scale)[2-5][a-z]\d*_branch[12]",
        "its norms have eps 1e-3 and its max pool is not padded",
        3,
    ),
    _row(
        "a ResNet of Caffe2's names, as Detectron wrote them",
        r"^res[2-5]_\d+_branch[12]",
        "its norms are folded into a scale and a shift",
    ),
    _row(
        "a ResNet of TF-slim",
        r"resnet_v[12]_\d+/(?:conv1|block\d/unit_\d+)",
        "it strides in the last unit of a stage and pads as SAME does",
    ),
    _row(
        "a ResNet of TensorFlow's model garden",
        r"(?:^|/)batch_normalization(?:_\d+)?/.*\bconv2d_fixed_padding|resnet_model/",
        "its stem and its norms are others",
    ),
    _row("a ResNet of Flax's names", r"(?:Bottleneck)?ResNetBlock_\d+[/.]", "it pads as SAME does"),
    _row("a ResNet of Haiku's names", r"res_?net\d*/~/|block_group_\d", "it pads as SAME does"),
    _row("a ResNet of keras_cv", r"(?:^|/)v[12]_stack_\d+_block\d+_", "it pads as SAME does"),
    _row(
        "a ResNet of the classification_models package",
        r"(?:^|/)stage\d+_unit\d+_(?:conv|bn|sc)",
        "its norms stand before the convolutions and have eps 2e-5",
    ),
    _row(
        "Big Transfer's ResNet (BiT)",
        r"standardized_conv2d|block\d\.unit\d+\.",
        "it standardises its kernels and normalises groups",
    ),
    _row("CLIP's ResNet", r"attnpool\.|visual\.attnpool", "it pools by attention and strides by averaging"),
    _row(
        "a ResNet with squeeze-and-excitation",
        r"\.se\.(?:fc|excitation|squeeze)|\.se_module\.|_se_(?:reduce|expand|1_conv)|\.se_block",
        "its blocks weigh their channels",
    ),
    _row("an ECA-ResNet", r"\.(?:se|eca|attn)\.conv\.weight", "its blocks weigh their channels"),
    _row("an IBN-Net", r"\.bn\d\.(?:IN|BN)\.", "its norms are halves of two kinds"),
    _row(
        "a face network of IR blocks", r"\.res_layer\.\d|(?:^|\.)prelu\.weight$", "its norms stand before convolutions"
    ),
    _row(
        "a wide ResNet of Zagoruyko's", r"block\d\.layer\.\d+\.(?:bn|conv)\d", "its norms stand before the convolutions"
    ),
    _row("a Res2Net", r"layer\d\.\d+\.convs\.\d", "its 3x3 convolutions are split in scales"),
    _row("a ResNeSt", r"layer\d\.\d+\.conv2\.(?:conv|fc1|bn0)\.", "its 3x3 convolutions are weighed by attention"),
    _row("an SK-ResNet", r"layer\d\.\d+\.conv\d\.(?:paths|attn)\.", "its kernels are selected by attention"),
    _row(
        "a pre-activation ResNet (v2)",
        r"stages\.\d+\.blocks\.\d+\.(?:conv|norm)\d|preact",
        "its norms stand before the convolutions",
    ),
    _row(
        "a ResNet with a stem of three convolutions (-c, -s, -d or -t)",
        r"^(?:.*\.)?(?:conv1|stem)\.[36]\.(?:weight|conv\.weight)$|^(?:.*\.)?stem\.conv[23]\.",
        "ours have one",
    ),
    _row("a ResNet with anti-aliasing", r"layer\d\.\d+\.(?:aa|conv\d\.0)\.filt$|\.filt$", "it blurs before it strides"),
    _row("a DenseNet", r"denseblock\d|dense_block|denselayer\d", "it is no residual network of this family"),
    _row("a vision transformer", r"blocks\.\d+\.attn\.qkv|encoder_layer_\d+|patch_embed", "it is no residual network"),
    _row(
        "a transformer of words",
        r"layers?\.\d+\.(?:self_attn|attention)\.|word_embeddings|wte\.weight|embed_tokens",
        "it is no residual network",
    ),
    _row("a ConvNeXt", r"\.dwconv\.|stages\.\d+\.blocks\.\d+\.gamma", "it is another family"),
    _row(
        "an EfficientNet or MobileNet",
        r"conv_pwl|conv_dw|_depthwise_conv|features\.\d+\.conv\.\d",
        "it is another family",
    ),
    _row("a VGG or AlexNet", r"^(?:module\.)?features\.\d+\.(?:weight|bias)$", "it is no residual network"),
    _row(
        "an Inception network",
        r"Mixed_\d[a-z]\.|inception\d[ab]\.|mixed\d+_",
        "it is no residual network of this family",
    ),
)


def family(names: Collection[str]) -> Foreign | None:
    """The first family that has names like these."""
    for each in FAMILIES:
        if sum(bool(each.pattern.search(name)) for name in names) >= each.least:
            return each
    return None
