"""The independent oracle: what is trained, run as it stands in float64, sharing no formula with the derivation.

One file a kind of model: `attention` (a softmax layer on its prompts; its names are given here) and
`softmax_regression`.
"""

from symicl.simulate.arrays import Array
from symicl.simulate.attention import (
    DEFAULT_MAX_STEPS,
    Experiment,
    Prompts,
    Row,
    count_vectors,
    layer,
    layer_gradient,
    population_step,
    sampled_step,
    simulate,
    simulate_rows,
)

__all__ = [
    "Array",
    "Prompts",
    "layer",
    "layer_gradient",
    "Experiment",
    "count_vectors",
    "population_step",
    "sampled_step",
    "DEFAULT_MAX_STEPS",
    "Row",
    "simulate_rows",
    "simulate",
]
