"""The maximum-margin separator of rational data, exactly, or a certificate that there is none.

The margin is the distance of the origin from the convex hull of the rows ``y_i x_i``; its point p of least norm gives
the direction. Wolfe's algorithm finds p in exact rationals in finitely many steps (P. Wolfe, "Finding the nearest point
in a polytope", Math. Programming 11, 1976), and the answer is checked by its optimality conditions. Where p = 0 the
weights that show it are a certificate that no w has ``y_i w'x_i > 0`` for all i (Gordan).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from flint import fmpq, fmpq_mat

from symicl.arithmetic.base import exact_ratio
from symicl.errors import BudgetError, InputError

MAX_ROUNDS = 10_000

Row = tuple[fmpq, ...]


@dataclass(frozen=True)
class Separation:
    """``point`` is the point of least norm in the convex hull of the rows, ``weights`` mix it from them. Exact.

    The rows are separable exactly when the point is not 0. Then the margin is its norm, ``squared_margin`` the square
    of that, the direction is the point itself, and rows with a positive weight are support vectors.
    """

    point: tuple[sp.Rational, ...]
    weights: tuple[sp.Rational, ...]

    @property
    def squared_margin(self) -> sp.Rational:
        return sp.Add(*(entry**2 for entry in self.point))

    @property
    def separable(self) -> bool:
        return bool(self.squared_margin > 0)


def separate(rows: Sequence[Sequence[sp.Rational]]) -> Separation:
    """The point of least norm in the convex hull of at least one row of exact numbers.

    Raises ``InputError`` for no rows, or rows of different lengths.
    """
    if not rows or not rows[0] or len({len(row) for row in rows}) != 1:
        raise InputError("not a list of rows of equal length", where="separate", remedy="give at least one row")
    points = [tuple(fmpq(*exact_ratio(entry)) for entry in row) for row in rows]
    corral, weights = _nearest(points)
    mixed = dict(zip(corral, weights, strict=True))
    point = _mix([points[i] for i in corral], weights)
    _verify(points, point, mixed)
    return Separation(tuple(map(_rational, point)), tuple(_rational(mixed.get(i, fmpq(0))) for i in range(len(points))))


def _nearest(points: list[Row]) -> tuple[list[int], list[fmpq]]:
    """Wolfe's algorithm: the points in use, affinely independent, and their positive weights."""
    first = min(range(len(points)), key=lambda i: _dot(points[i], points[i]))
    corral, weights = [first], [fmpq(1)]
    for _ in range(MAX_ROUNDS):
        point = _mix([points[i] for i in corral], weights)
        nearest = min(range(len(points)), key=lambda i: _dot(points[i], point))
        if _dot(points[nearest], point) >= _dot(point, point):
            return corral, weights
        corral, weights = [*corral, nearest], [*weights, fmpq(0)]
        while True:
            target = _affine_minimum([points[i] for i in corral])
            if all(t > 0 for t in target):
                weights = target
                break
            share = min(w / (w - t) for w, t in zip(weights, target, strict=True) if t <= 0)
            moved = [w + share * (t - w) for w, t in zip(weights, target, strict=True)]
            kept = [k for k, w in enumerate(moved) if w > 0]
            corral, weights = [corral[k] for k in kept], [moved[k] for k in kept]
    raise BudgetError(f"no separator after {MAX_ROUNDS} rounds", where="separate", remedy="take fewer points")


def _affine_minimum(points: list[Row]) -> list[fmpq]:
    """Weights with sum 1, of any sign, of the point of least norm in the affine hull."""
    size = len(points)
    rows = [[fmpq(0)] + [fmpq(1)] * size] + [[fmpq(1)] + [_dot(p, q) for q in points] for p in points]
    solution = fmpq_mat(rows).solve(fmpq_mat([[fmpq(1)]] + [[fmpq(0)]] * size))
    return [solution[i + 1, 0] for i in range(size)]


def _verify(points: list[Row], point: Row, weights: dict[int, fmpq]) -> None:
    """The optimality conditions: weights form a mixture, and no point lies nearer to the origin along ``point``."""
    size = _dot(point, point)
    mixture = all(weight >= 0 for weight in weights.values()) and sum(weights.values(), fmpq(0)) == 1
    if not mixture or any(_dot(other, point) < size for other in points):
        raise AssertionError("the nearest point fails its own optimality conditions")


def _mix(points: list[Row], weights: list[fmpq]) -> Row:
    return tuple(sum((w * p[k] for w, p in zip(weights, points, strict=True)), fmpq(0)) for k in range(len(points[0])))


def _dot(left: Row, right: Row) -> fmpq:
    return sum((a * b for a, b in zip(left, right, strict=True)), fmpq(0))


def _rational(value: fmpq) -> sp.Rational:
    return sp.Rational(int(value.p), int(value.q))
