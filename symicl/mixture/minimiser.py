"""The minimiser W*: exact at infinite prompt length, a certified ball in one dimension, float64 otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, Guarantee, check_dps
from symicl.errors import UndecidedError
from symicl.mixture.floats import float_minimiser
from symicl.mixture.values import values
from symicl.systems.gaussian_mixture import MixtureData, spanning

COARSE = 22
"""Digits of the step before the last, and of the Hessian over the box: the step's error is their product."""


@dataclass(frozen=True)
class Minimiser:
    """W* (d x d) as balls, or as float64 numbers where ``guarantee`` is supported."""

    weights: tuple[tuple[arb | float, ...], ...]
    guarantee: Guarantee


def minimiser(data: MixtureData, dps: int = 30) -> Minimiser:
    """W* to about ``dps`` digits.

    In one dimension by an interval Newton step, ``w - g(w) / H([box])`` inside the box, which proves that there is one
    stationary point in it; the loss is convex, so it is the minimiser. Raises ``InputError`` at infinite prompt length
    where the differences of the means do not span the space.
    """
    check_dps(dps)
    ball = ARITHMETICS["ball"]
    if data.length is sp.oo:
        precision = spanning(data, "minimiser at N = inf").precision
        with ball.working(dps):
            rows = range(data.dimension)
            exact = tuple(tuple(ball.number(2 * precision[j, k]) for k in rows) for j in rows)
        return Minimiser(exact, Guarantee.CERTIFIED)
    close = float_minimiser(data, 2 * np.array(data.precision.tolist(), dtype=np.float64))
    if data.dimension > 1:
        return Minimiser(tuple(tuple(map(float, row)) for row in close), Guarantee.SUPPORTED)
    return Minimiser(((_line(data, float(close[0, 0]), dps),),), Guarantee.CERTIFIED)


def _line(data: MixtureData, close: float, dps: int) -> arb:
    ball, coarse = ARITHMETICS["ball"], min(COARSE, dps)
    with ball.working(coarse + 5):
        found = values(data, [[arb(close)]], ball, coarse, second=True)
        assert found.hessian is not None
        middle = (arb(close) - found.gradient[0][0] / found.hessian[0][0]).mid()
        radius = arb(10) ** -(coarse // 2)
        box = middle + arb(0, radius)
        curvature = values(data, [[box]], ball, coarse, second=True).hessian
        assert curvature is not None
    with ball.working(dps + 5):
        slope = values(data, [[middle]], ball, dps + 3, second=False).gradient[0][0]
        point = middle - slope / curvature[0][0]
        if not (curvature[0][0] > 0 and abs(point - middle) < radius):
            raise UndecidedError(
                "the interval Newton step leaves its box", where=f"w near {close}", remedy="raise the precision"
            )
        return arb(point)


__all__ = ["Minimiser", "minimiser"]
