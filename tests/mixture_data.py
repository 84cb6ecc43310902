"""Gaussian mixtures that several test files share."""

from __future__ import annotations

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from symicl.simulate import gaussian_mixture as oracle
from symicl.systems.gaussian_mixture import MixtureData, checked

ONE, TWO, HALF = sp.S.One, sp.Integer(2), sp.Rational(1, 2)


def line(length: object = sp.oo, a: sp.Expr = ONE, variance: sp.Expr = ONE) -> MixtureData:
    return checked(MixtureData(((variance,),), (((a,), (-a,)),), (ONE,), sp.sympify(length)), "line")


def plane(
    length: object = sp.oo, covariance: object = None, tasks: object = None, labels: str = "binomial"
) -> MixtureData:
    covariance = covariance or ((TWO, HALF), (HALF, ONE))
    tasks = tasks or (((1, 0), (-1, 0)), ((0, 1), (0, -1)))
    weights = (sp.Rational(1, len(tasks)),) * len(tasks)  # type: ignore[arg-type]
    return checked(MixtureData(covariance, tasks, weights, sp.sympify(length), labels=labels), "plane")


SKEW = (((1, 0), (0, 1)), ((sp.Rational(3, 5), sp.Rational(4, 5)), (sp.Rational(-3, 5), sp.Rational(4, 5))))
UNIT = ((ONE, sp.S.Zero), (sp.S.Zero, ONE))


def simulated(data: MixtureData) -> oracle.Mixture:
    def floats(nested: object) -> np.ndarray:
        return np.array(nested, dtype=object).astype(float)

    return oracle.Mixture(floats(data.covariance), floats(data.tasks), floats(data.weights))


@st.composite
def mixtures(draw: st.DrawFn) -> MixtureData:
    """Data in one or two dimensions: Lambda = A A' + 1, and pairs of means of equal norm by reflection."""
    d = draw(st.integers(1, 2))
    entry = st.integers(-1, 1)
    factor = sp.Matrix(d, d, draw(st.lists(entry, min_size=d * d, max_size=d * d)))
    covariance = (factor * factor.T + sp.eye(d)) / 2
    precision = covariance.inv()
    tasks = []
    for _ in range(draw(st.integers(1, 2))):
        mean = sp.Matrix(draw(st.lists(entry, min_size=d, max_size=d).filter(any)))
        axis = sp.Matrix(draw(st.lists(entry, min_size=d, max_size=d).filter(any)))
        # Reflected at the hyperplane of the axis, in the inner product of the precision: the norm stays.
        other = mean - 2 * axis * (axis.T * precision * mean)[0] / (axis.T * precision * axis)[0]
        tasks.append((tuple(mean), tuple(-mean if other == mean else other)))
    length = draw(st.sampled_from([sp.Integer(1), sp.Integer(3), sp.oo, sp.oo]))
    rows = tuple(tuple(covariance[i, j] for j in range(d)) for i in range(d))
    return checked(MixtureData(rows, tuple(tasks), (sp.Rational(1, len(tasks)),) * len(tasks), length), "drawn")
