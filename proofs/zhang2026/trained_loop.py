"""The trained layer in a loop is normalised descent of step kappa v on any data, separable or not.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   reconstructed: the abstract has the trained layer applied in a loop, and its coefficients' ratio as a step
         size
Assumes  coefficients kappa = 1, v = tau as trained (``training``); data laws other than the training one: any
         separable points (certified on four points at tau = 1/2), points of which two are opposite, and the training
         law itself, whose loop contracts to mu / kappa for 0 < kappa v < 2 and does not grow
Tight    identities; the margin of opposite points is at most 0 for every w, so no loop can have a positive one
"""

import sympy as sp

from symicl import always, claim, equal, first_step, rate
from symicl.systems.trained_layer import MEANS, START, attended, coordinates

from .notation import coordinates as over_coordinates
from .notation import i, w, x
from .systems import normalized, opposite, separable, training

d = sp.Symbol("d", integer=True, positive=True)
kappa, v = sp.Symbol("kappa", positive=True), sp.Symbol("v", positive=True)
j = coordinates(d).index("j")

separable_gap = claim(rate(separable(), "gap", "<=", "4/5/step", start=10, to=3000, eta="1/2"), expect="certified")
separable_margin = claim(rate(separable(), "margin", ">=", "99/100", start=100, to=1000, eta="1/2"), expect="certified")

opposite_product = claim(
    equal(
        normalized(),
        over_coordinates(lambda j: w[j] * x[i, j]) + over_coordinates(lambda j: w[j] * (-x[i, j])),
        0,
    )
)
opposite_margin = claim(always(opposite(), "least <= 0", start=0, to=1000, eta="1/2"), expect="certified")
opposite_loss = claim(always(opposite(), "loss >= 2", start=0, to=1000, eta="1/2"), expect="certified")
opposite_separates = claim(first_step(opposite(), "least > 0", "<=", 1000, eta="1/2"), expect="refuted")

training_law_step = claim(
    equal(
        training(),
        START[j] + v * attended(d, kappa, j) - MEANS[j] / kappa,
        (1 - kappa * v) * (START[j] - MEANS[j] / kappa),
    )
)
