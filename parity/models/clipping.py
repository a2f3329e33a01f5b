"""Gradients as backward passes make them, step by step -> those that an optimizer's rule gets: summed, clipped. Pure.

torch's rules: `clip_grad_value_`, and `clip_grad_norm_` of each parameter or of all, c / (norm + 1e-6) where that is
below 1; of batches that are accumulated, the mean.
"""

import numpy as np

from .arrays import Array
from .recipe import Recipe

SMALL = 1e-6  # what torch adds to a norm before it divides by it
Gradients = dict[str, Array]


class Applied:
    """What the rule gets, of one side's run. Names without a gradient are left out."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.sums: Gradients = {}
        self.gradients: Gradients = {}
        self.changes = recipe.accumulate > 1 or clips(recipe)

    def add(self, step: int, gradients: Gradients) -> None:
        """Of the batch of a step, the first being 1."""
        for name, gradient in gradients.items():
            self.sums[name] = self.sums[name] + gradient if name in self.sums else gradient
        self.gradients = {}
        if step % self.recipe.accumulate == 0:
            means = {name: total / self.recipe.accumulate for name, total in self.sums.items()}
            self.gradients = clipped(self.recipe, means)
            self.sums = {}


def clips(recipe: Recipe) -> bool:
    """Whether anything is clipped."""
    return bool(recipe.clip_value or recipe.clip_norm or recipe.clip_global)


def clipped(recipe: Recipe, gradients: Gradients) -> Gradients:
    """As `Recipe` says."""
    if recipe.clip_value:
        return {name: np.clip(g, -recipe.clip_value, recipe.clip_value) for name, g in gradients.items()}
    norms = {name: float(np.linalg.norm(g.reshape(-1))) for name, g in gradients.items()}
    if recipe.clip_norm:
        return {name: g * min(1.0, recipe.clip_norm / (norms[name] + SMALL)) for name, g in gradients.items()}
    if recipe.clip_global:
        factor = min(1.0, recipe.clip_global / (float(np.linalg.norm(list(norms.values()))) + SMALL))
        return {name: g * factor for name, g in gradients.items()}
    return gradients
