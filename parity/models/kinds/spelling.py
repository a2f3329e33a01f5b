"""What programs call the operations of the table, by operator, method and function; torch's name stands for each.

`ops.concatenate`, `layers.Concatenate()` and `torch.concat` are "cat". Which are taken for one another is here too.
"""

OPERATORS = {  # by the classes of Python's grammar
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "Div": "div",
    "MatMult": "matmul",
    "Pow": "pow",
    "USub": "neg",
}
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**"}
SAME = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "rsub": "sub",
    "radd": "add",
    "rmul": "mul",
    "iadd": "add",
    "isub": "sub",
    "imul": "mul",
    "itruediv": "div",
    "concatenate": "cat",
    "concat": "cat",
    "clamp": "clip",
    "max": "amax",
    "min": "amin",
    "reduce_mean": "mean",
    "reduce_sum": "sum",
    "reduce_max": "amax",
    "permute": "transpose",
    "swapaxes": "transpose",
    "view": "reshape",
    "masked_fill": "where",
    "interpolate": "resize",
    "power": "pow",
    "negative": "neg",
    "globalaveragepooling1d": "mean",
    "globalmaxpooling1d": "amax",
}
NAMES = {  # by side, those that are not torch's
    "torch": {"clip": "clamp"},
    "keras": {
        "cat": "concatenate",
        "mul": "multiply",
        "sub": "subtract",
        "div": "divide",
        "amax": "max",
        "amin": "min",
        "hardtanh": "hard_tanh",
        "hardsigmoid": "hard_sigmoid",
        "hardswish": "hard_swish",
    },
}
ARGUMENTS = {"dim": "axis", "dims": "axis", "dim0": "axis1", "dim1": "axis2"}
FAMILIES = (
    ("mean", "amax", "amin", "sum"),
    ("relu", "gelu", "silu", "tanh", "sigmoid", "elu", "softplus", "relu6", "hardswish", "hardsigmoid", "leaky_relu"),
    ("softmax", "log_softmax"),
    ("add", "sub", "mul", "maximum", "minimum"),
)
FUNCTIONAL = ("normalize", "relu6", "silu", "gelu", "elu", "hardswish", "hardsigmoid", "softplus", "log_softmax")
BOTH = (
    *FUNCTIONAL,
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "exp",
    "log",
    "sqrt",
    "abs",
    "square",
    "cumsum",
    "log1p",
    "expm1",
)
JOINED = (
    "cat",
    "stack",
    "hstack",
    "vstack",
    "add",
    "multiply",
    "maximum",
    "minimum",
    "average",
    "concatenate",
    "mul",
    "sub",
)
JOINING = ("add", "sub", "mul", "cat", "maximum", "minimum", "average")  # layers of Keras's that are operators
REDUCTIONS = {"global_avg_pool": "mean", "global_max_pool": "amax"}  # by kind, the function of all of an image
POOLED = {"torch": ("max", "avg"), "keras": ("max", "average")}  # what is taken of a window, as names of pools say it
EXACTNESS = {"none": "tanh", "tanh": "none"}  # of a GELU: what `approximate` says
SLOPED = {"leaky_relu": "slope", "elu": "alpha", "celu": "alpha"}  # the setting that comes second in a call
ORDERED = ("cat", "concat", "concatenate", "stack", "sub", "rsub", "div", "truediv", "matmul", "where", "bmm")


def canonical(name: str) -> str:
    """torch's name of what either framework, or an operator's method, calls so."""
    name = name.strip("_").lower()
    return SAME.get(name, name)


def spelled(name: str, side: str) -> str:
    """How a side writes the function of torch's name."""
    return NAMES[side].get(name, name)
