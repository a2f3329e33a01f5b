"""Kinds that join tensors: what torch, and a Keras model written by hand, says with operators."""

from .kind import Kind

JOINTS = tuple(
    Kind(
        name,
        (),
        (keras,),
        functions=functions,
        operations=(f"numpy.{name}",),
        merges=True,
        commutes=commutes,
        alone=alone,
    )
    for name, keras, functions, commutes, alone in (
        ("add", "Add", ("add", "iadd", "radd"), True, "shortcut missing"),
        ("subtract", "Subtract", ("sub", "isub", "rsub", "subtract"), False, ""),
        ("multiply", "Multiply", ("mul", "imul", "rmul", "multiply"), True, "gate missing or extra"),
        ("maximum", "Maximum", ("maximum", "max"), True, ""),
        ("minimum", "Minimum", ("minimum", "min"), True, ""),
        ("average", "Average", (), True, ""),
        ("concatenate", "Concatenate", ("cat", "concat", "concatenate"), False, ""),
    )
)
