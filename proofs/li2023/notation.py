"""The notation of the paper, and quadratic forms of a vector v at a point f of the simplex."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from symicl.indices import Index
from symicl.systems.softmax_regression import LOGITS, MATRIX, POINT, RESIDUAL, SOFTMAX, TARGET, shape

from .systems import COLUMNS, ROWS

OVER = shape(ROWS.symbol, COLUMNS.symbol)
A, x, b, f, c, z = MATRIX, POINT, TARGET, SOFTMAX, RESIDUAL, LOGITS
n = ROWS.symbol
i, m, q = (OVER.rows.index(name) for name in "imq")
j, k = (OVER.columns.index(name) for name in "jk")
v = sp.IndexedBase(sp.Symbol("v", real=True))

rows, columns = OVER.rows.sum, OVER.columns.sum
Vector = Callable[[Index], sp.Expr]


def pairs(term: Callable[[Index, Index], sp.Expr]) -> sp.Expr:
    """The sum over ordered pairs of distinct rows."""
    return rows(lambda i: rows(lambda m: term(i, m), other_than=i))


def all_pairs(term: Callable[[Index, Index], sp.Expr]) -> sp.Expr:
    """The sum over ordered pairs of rows, equal ones included."""
    return rows(lambda i: rows(lambda m: term(i, m)))


def norm2(u: Vector) -> sp.Expr:
    """``|u|^2``."""
    return rows(lambda i: u(i) ** 2)


def mean(u: Vector) -> sp.Expr:
    """``<f, u>``."""
    return rows(lambda i: f[i] * u(i))


def applied(u: Vector) -> Vector:
    """``M u`` for ``M = diag f - f f'``."""
    return lambda i: f[i] * (u(i) - mean(u))


def variance(u: Vector) -> sp.Expr:
    """``u' M u``, the variance of u under f."""
    return rows(lambda i: f[i] * u(i) ** 2) - mean(u) ** 2


def any_vector(i: Index) -> sp.Expr:
    """The components of v, a vector without a property."""
    return v[i]
