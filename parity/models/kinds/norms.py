"""Kinds that normalise."""

from . import folds, formulas, reruns, settings as of
from .kind import Kind, ranked
from .layouts import as_torch

SCALE = (("weight", "gamma", as_torch), ("bias", "beta", as_torch))
NEUTRAL = (("weight", 1.0), ("bias", 0.0))
RUNNING = (("running_mean", "moving_mean", as_torch), ("running_var", "moving_variance", as_torch))

NORMS = (
    Kind(
        "batch_norm",
        (*ranked("BatchNorm{}d"), "SyncBatchNorm", "FrozenBatchNorm2d"),
        ("BatchNormalization",),
        SCALE + RUNNING,
        (of.EPS, of.MOMENTUM, of.RENORM),
        "channels",
        computed=("batch_norm",),
        rerun=reruns.batch_norm,
        formula=formulas.batch_norm,
        trained=("moving_stddev", "renorm_mean", "renorm_stddev"),
        neutral=NEUTRAL,
        fold=folds.batch_norm,
        normalises="batch",
        along=True,
        probe="statistics",
    ),
    Kind(
        "group_norm",
        ("GroupNorm", *ranked("InstanceNorm{}d")),
        ("GroupNormalization",),
        SCALE,
        (of.NORM_GROUPS, of.EPS),
        "channels",
        computed=("group_norm", "instance_norm"),
        rerun=reruns.group_norm,
        formula=formulas.group_norm,
        neutral=NEUTRAL,
        normalises="groups",
    ),
    Kind(
        "layer_norm",
        ("LayerNorm",),
        ("LayerNormalization",),
        SCALE,
        (of.EPS,),
        "equal",
        computed=("layer_norm",),
        rerun=reruns.layer_norm,
        formula=formulas.layer_norm,
        neutral=NEUTRAL,
        normalises="features",
        along=True,
    ),
    Kind(
        "rms_norm",
        ("RMSNorm",),
        ("RMSNormalization",),
        (("weight", "scale", as_torch),),
        (of.EPS,),
        "equal",
        computed=("rms_norm",),
        rerun=reruns.rms_norm,
        formula=formulas.rms_norm,
        neutral=NEUTRAL[:1],
        along=True,
    ),
)
