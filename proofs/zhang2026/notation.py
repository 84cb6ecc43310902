"""Data, directions, and softmax attention layers as their formulas and as weight matrices on tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from symicl.indices import Index
from symicl.systems.normalized_descent import ATTENTION, DIRECTION, LABELS, POINTS, sizes

from .systems import D, N

OVER = sizes(N.symbol, D.symbol)
x, y, w, a = POINTS, LABELS, DIRECTION, ATTENTION
i, m = OVER.data.index("i"), OVER.data.index("m")
j, k = OVER.coordinates.index("j"), OVER.coordinates.index("k")
data, coordinates = OVER.data.sum, OVER.coordinates.sum

Vector = Callable[[Index], sp.Expr]
Matrix = Callable[[Index, Index], sp.Expr]


def signed(i: Index) -> Vector:
    """``y_i x_i``, what a token carries."""
    return lambda j: y[i] * x[i, j]


def direction(j: Index) -> sp.Expr:
    """The components of w."""
    return w[j]


def attention(scores: Callable[[Index], sp.Expr]) -> Callable[[Index], sp.Expr]:
    """The softmax of scores over the data."""
    return lambda i: sp.exp(scores(i)) / data(lambda m: sp.exp(scores(m)))


def stripped(at: Vector, keys: sp.Expr, values: sp.Expr) -> Vector:
    """The layer as a formula: ``w + values * sum of softmax_i(-keys * y_i w'x_i) y_i x_i``."""
    weight = attention(lambda i: -keys * coordinates(lambda j: signed(i)(j) * at(j)))
    return lambda j: at(j) + values * data(lambda i: weight(i) * signed(i)(j))


@dataclass(frozen=True)
class Blocks:
    """A 2d x 2d matrix on tokens (u, s): what it reads from the data part u and from the state part s, by block."""

    uu: Matrix
    us: Matrix
    su: Matrix
    ss: Matrix

    def apply(self, u: Vector, s: Vector) -> tuple[Vector, Vector]:
        """The product with a token (u, s)."""

        def row(left: Matrix, right: Matrix) -> Vector:
            return lambda j: coordinates(lambda k: left(j, k) * u(k)) + coordinates(lambda k: right(j, k) * s(k))

        return row(self.uu, self.us), row(self.su, self.ss)


def nothing(j: Index, k: Index) -> sp.Expr:
    """The zero block."""
    return sp.S.Zero


def scaled_identity(scale: sp.Expr) -> Matrix:
    """A multiple of the identity block."""
    return lambda j, k: scale * sp.KroneckerDelta(j, k)


def zero(j: Index) -> sp.Expr:
    """The zero vector."""
    return sp.S.Zero
