"""One softmax layer with two trained coefficients, taught one step of normalised gradient descent (arXiv 2605.06609).

The layer moves w by ``v sum_i softmax_i(-kappa y_i w'x_i) y_i x_i``: key scale kappa, value scale v. Reconstruction,
all of it named: the teacher is one step of size tau along ``-grad R / R`` of the exponential loss R; labels are 1 or -1
with equal chances and ``x | y ~ N(y mu, 1)``, so that ``y x ~ N(mu, 1)``; the prompt is infinitely long, so that sums
over examples are means; and the start w is drawn from N(0, s 1) (at w = 0 the key scale would not matter). The loss is
half the mean squared distance between layer and teacher. The means are taken by the rules of ``gaussian_vector``; only
d, s, tau and |mu|^2 are left.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.algebra import factored
from symicl.gaussian_vector import GaussianVector
from symicl.indices import SumOver, partial, resolve
from symicl.systems.base import Coordinate, IndexRange, System

KEY_SCALE = sp.Symbol("kappa", real=True)
VALUE_SCALE = sp.Symbol("v", real=True)
MEANS = sp.IndexedBase(sp.Symbol("mu", real=True))
EXAMPLE = sp.IndexedBase(sp.Symbol("z", real=True))
START = sp.IndexedBase(sp.Symbol("w", real=True))
SQUARED_MEAN = sp.Symbol("m2", positive=True)


def coordinates(d: sp.Expr) -> IndexRange:
    """The coordinates 1..d."""
    return IndexRange("coordinates", d, ("j", "k", "r", "s"))


def attended(d: sp.Expr, scale: sp.Expr, j: sp.Symbol) -> sp.Expr:
    """Component j of what the layer attends to: ``E[exp(-scale w'z) z_j] / E[exp(-scale w'z)]``, z ~ N(mu, 1)."""
    over = coordinates(d)
    law = GaussianVector(EXAMPLE, over.index("j"), d, lambda k: MEANS[k], sp.S.One)
    weight = sp.exp(-scale * over.sum(lambda k: START[k] * EXAMPLE[k]))
    return law.mean(weight * EXAMPLE[j]) / law.mean(weight)


def taught(d: sp.Expr, tau: sp.Expr, j: sp.Symbol) -> sp.Expr:
    """Component j of the teacher's step: ``-tau d log R / d w_j`` with ``R = E exp(-w'z)``."""
    over = coordinates(d)
    law = GaussianVector(EXAMPLE, over.index("j"), d, lambda k: MEANS[k], sp.S.One)
    risk = law.mean(sp.exp(-over.sum(lambda k: START[k] * EXAMPLE[k])))
    return -tau * partial(risk, START[j]) / risk


def distance(d: sp.Expr, tau: sp.Expr, j: sp.Symbol) -> sp.Expr:
    """Component j of layer minus teacher, in canonical form."""
    return factored(resolve(VALUE_SCALE * attended(d, KEY_SCALE, j) - taught(d, tau, j), ()))


def population_loss(d: sp.Expr, s: sp.Expr, tau: sp.Expr) -> sp.Expr:
    """Half the mean squared distance over the random start, in d, s, tau and |mu|^2."""
    over = coordinates(d)
    j = over.index("j")
    starts = GaussianVector(START, j, d, lambda k: sp.S.Zero, s)
    mean = starts.mean(sp.expand(distance(d, tau, j) ** 2)) / 2
    total = resolve(SumOver(sp.expand(mean), j, d), ())
    return factored(total.xreplace({over.sum(lambda k: MEANS[k] ** 2): SQUARED_MEAN}))


def trained_layer(v: Mapping[str, sp.Expr], *, id: str, title: str, start: tuple[sp.Expr, sp.Expr]) -> System:
    """The system that trains kappa and v at parameters d, s, tau, m2 (= |mu|^2), from ``start``."""
    loss = population_loss(v["d"], v["s"], v["tau"]).xreplace({SQUARED_MEAN: v["m2"]})
    return System(
        id=id,
        title=title,
        loss=loss,
        objective=loss,
        coordinates=(
            Coordinate(KEY_SCALE, start=start[0], latex=lambda _: r"\kappa"),
            Coordinate(VALUE_SCALE, start=start[1]),
        ),
        symbols=(("kappa", r"\kappa"), ("tau", r"\tau"), ("m2", r"|\mu|^{2}")),
    )
