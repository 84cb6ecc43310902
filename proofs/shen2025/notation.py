"""Notation of the results: vectors over the dimensions, forms of W, P and Lambda, expressions at a given W."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symicl.gaussian import Vector, bilinear
from symicl.indices import Index
from symicl.systems.gaussian_mixture import (
    COVARIANCE,
    MINUS,
    NORM,
    PLUS,
    PRECISION,
    QUERY,
    STATISTIC,
    WEIGHTS,
    dimensions,
)

from .systems import DIMENSIONS

OVER = dimensions(DIMENSIONS.symbol)
W, P, Lambda, q, p, u, v, r = WEIGHTS, PRECISION, COVARIANCE, QUERY, STATISTIC, PLUS, MINUS, NORM
j, k, l, h = (OVER.index(name) for name in "jklh")  # noqa: E741 (the fourth letter of the range)
U = sp.IndexedBase(sp.Symbol("U", real=True))

Matrix = Callable[[Index, Index], sp.Expr]


def form(left: Vector, matrix: Matrix, right: Vector) -> sp.Expr:
    """``left' matrix right``."""
    return bilinear(left, matrix, right, j, OVER.size)


def delta(i: Index) -> sp.Expr:
    """``mu_+ - mu_-``."""
    return u[i] - v[i]


def likelihoods() -> tuple[sp.Expr, sp.Expr]:
    """The densities of the two classes at q over that of N(0, Lambda)."""
    return tuple(  # type: ignore[return-value]
        sp.exp(form(lambda i, mean=mean: mean[i], lambda a, b: P[a, b], lambda i: q[i]) - r / 2) for mean in (u, v)
    )


def at(expression: sp.Expr, value: Matrix) -> sp.Expr:
    """The expression with ``value(a, b)`` for every entry W[a, b]."""
    entries = [entry for entry in expression.atoms(sp.Indexed) if entry.base == W]
    return expression.xreplace({entry: value(*entry.indices) for entry in entries})


def twice_precision(a: Index, b: Index) -> sp.Expr:
    """``2 Lambda^-1``."""
    return 2 * P[a, b]


def along(expression: sp.Expr) -> sp.Expr:
    """``sum over j, k, l, h of (expression at these) U[j, k] U[l, h]``."""

    def fill(a: Index, b: Index, c: Index, d: Index) -> sp.Expr:
        return expression.xreplace({j: a, k: b, l: c, h: d}) * U[a, b] * U[c, d]

    total = OVER.sum
    return total(lambda a: total(lambda b: total(lambda c: total(lambda d: fill(a, b, c, d)))))
