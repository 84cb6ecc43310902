"""How fast the prediction and the gradient of softmax regression can change: published, proved and certified constants.

A Lipschitz constant on a convex set is the largest norm of a derivative there. Published: exp(O(R^2 + log n)) for the
prediction, where R bounds |A| and |x| (arXiv 2304.13276; the O is read as 1, which favours it), and 8 |A|^2 for the
gradient in x (arXiv 2304.10411, reconstructed). Proved: half the norm of what is not trained, and |A|^2 / 2 for b in
the simplex (``li2023.lipschitz``, ``li2023.curvature``). Certified: the constant itself, on a box, by branch and bound
in balls, and at most what is proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS
from symicl.derive import hessian
from symicl.enclosure import Enclosure, largest_singular_value, maximum_norm
from symicl.entries import array_of
from symicl.errors import InputError
from symicl.indices import like_index, partial
from symicl.notation import unfold
from symicl.systems.base import Array, System
from symicl.systems.softmax_regression import MATRIX, POINT, TARGET, RegressionData, softmax_regression
from symicl.unroll import unroll

DPS = 30
Rows = Sequence[Sequence[sp.Expr]]


@dataclass(frozen=True)
class Constants:
    """Three bounds of one Lipschitz constant, for A with ``rows`` and ``columns`` and R = ``radius``.

    ``quantity`` is "prediction" or "gradient". ``published`` and ``proved`` are upper bounds, balls of radius zero;
    ``certified`` encloses the constant itself on the box. All are certified numbers.
    """

    quantity: str
    rows: int
    columns: int
    radius: arb
    published: arb
    proved: arb
    certified: Enclosure


def jacobian(matrix: Rows, point: Sequence[sp.Expr], train: str = "x") -> list[list[sp.Expr]]:
    """The derivative of ``softmax(A x)`` in x (n x d) or in A (n x nd), at scalar expressions.

    Derived, and written so that balls stay small.
    """
    system = _generic(len(matrix), len(point), train)
    assert system.prediction is not None
    (i,) = system.prediction.indices
    variable = system.coordinates[0].variable
    variable = variable.xreplace({index: like_index(index, f"{index.name}_") for index in variable.indices})
    slope = partial(unfold(system, system.prediction), variable)
    entries = {MATRIX: matrix, POINT: point}
    places = [
        (b,) if train == "x" else (a, b) for a in range(len(matrix) if train == "A" else 1) for b in range(len(point))
    ]
    return [
        [
            unroll(system, slope, entries, {i: row, **dict(zip(variable.indices, place, strict=True))})
            for place in places
        ]
        for row in range(len(matrix))
    ]


def curvature(matrix: Rows, target: Sequence[sp.Expr], point: Sequence[sp.Expr]) -> list[list[sp.Expr]]:
    """The Hessian of the loss in x, d x d, at scalar expressions. Derived."""
    system = _generic(len(matrix), len(point), "x")
    variable = system.coordinates[0].variable
    (j,) = variable.indices
    k = like_index(j, "k")
    second = hessian(system, variable, variable.xreplace({j: k}))
    entries = {MATRIX: matrix, POINT: point, TARGET: target}
    size = range(len(point))
    return [[unroll(system, second, entries, {j: a, k: b}) for b in size] for a in size]


def _generic(n: int, d: int, train: str) -> System:
    return softmax_regression(sp.Integer(n), sp.Integer(d), id="softmax", title="softmax", train=train)


def published(radius: arb, rows: int) -> arb:
    """``exp(R^2 + log n)``."""
    return rows * (radius * radius).exp()


def over_all(rows: int, radius: sp.Rational, **search: Any) -> Constants:
    """The constant in x over all A (n x 1) and x with |A| <= R and |x| <= R, certified.

    By symmetry A may be taken orthogonal to (1, ..., 1), which softmax does not see, and of norm R: a smaller A does
    what a multiple of it does at a smaller x, times less. What is left is a direction (in stereographic coordinates)
    and x. Raises ``InputError`` for less than two rows or a radius that is not positive.
    """
    if rows < 2:
        raise InputError(f"{rows} rows", where="rows", remedy="give at least 2: the softmax of one number is constant")
    if not radius > 0:
        raise InputError(f"the radius is {radius}", where="radius", remedy="give a number greater than 0")
    x = sp.Symbol("x", real=True)
    free = sp.symbols(f"t1:{rows - 1}", real=True) if rows > 2 else ()
    direction = _on_sphere(free)
    column = [
        radius * sp.Add(*(c * e[i] for c, e in zip(direction, _centred_basis(rows), strict=True))) for i in range(rows)
    ]
    box = [(x, -radius, radius), *((t, -1, 1) for t in free)]
    found = maximum_norm(jacobian([[a] for a in column], [x]), box, **search)
    with ARITHMETICS["ball"].working(DPS):
        size = ARITHMETICS["ball"].number(radius)
        known = (published(size, rows).upper(), (size / 2).upper())
        return Constants("prediction", rows, 1, size, *known, _capped(found, known[1]))


def around(data: RegressionData, spread: sp.Rational, matrix_spread: sp.Rational, **search: Any) -> list[Constants]:
    """The constants over the box of all x within ``spread`` of the data's, entry by entry, and of A likewise.

    One for the prediction in what the data train; where that is x, one for the gradient as well. Raises ``InputError``
    for a negative spread.
    """
    if spread < 0 or matrix_spread < 0:
        raise InputError("a spread is negative", where=f"{spread}, {matrix_spread}", remedy="give numbers >= 0")
    point, sides = _box("x", data.point, spread)
    entries, more = _box("A", data.matrix, matrix_spread)
    box = [*sides, *more]
    with ARITHMETICS["ball"].working(DPS):
        matrix, vector = _norms(data, spread, matrix_spread)
        radius, rows = matrix.max(vector), len(data.matrix)
        known = [("prediction", published(radius, rows), (matrix if data.train == "x" else vector) / 2)]
        if data.train == "x":
            known.append(("gradient", 8 * matrix * matrix, matrix * matrix * _curvature_bound(data)))
    derivatives = {"prediction": jacobian(entries, point, data.train)}
    if data.train == "x":
        derivatives["gradient"] = curvature(entries, data.target, point)
    found = [_capped(maximum_norm(derivatives[each], box, **search), proved.upper()) for each, _, proved in known]
    return [
        Constants(quantity, rows, len(point), radius, older.upper(), proved.upper(), enclosure)
        for (quantity, older, proved), enclosure in zip(known, found, strict=True)
    ]


def _capped(found: Enclosure, proved: arb) -> Enclosure:
    """The enclosure with the proved bound from above, where the search has not come as far."""
    return replace(found, upper=found.upper.min(proved))


def _box(stem: str, values: Array, spread: sp.Rational) -> tuple[Any, list[tuple[sp.Symbol, sp.Rational, sp.Rational]]]:
    """The entries of an array as symbols with their sides; numbers, and no sides, where the spread is 0."""
    if spread == 0:
        return values, []
    entries, sides = [], []
    for position, value in enumerate(values, start=1):
        if isinstance(value, tuple):
            inner, own = _box(f"{stem}{position}_", value, spread)
        else:
            inner = sp.Symbol(f"{stem}{position}", real=True)
            own = [(inner, value - spread, value + spread)]
        entries.append(inner)
        sides += own
    return entries, sides


def _norms(data: RegressionData, spread: sp.Rational, matrix_spread: sp.Rational) -> tuple[arb, arb]:
    """Upper bounds of |A| and |x| on the box."""
    ball = ARITHMETICS["ball"]
    wide, near = (arb(0, ball.number(size).upper()) for size in (matrix_spread, spread))
    matrix = largest_singular_value([[entry + wide for entry in row] for row in array_of(data.matrix, ball)])
    return matrix.upper(), ball.norm([value + near for value in array_of(data.point, ball)]).upper()


def _curvature_bound(data: RegressionData) -> arb:
    """A bound of |B|, the Hessian being A' B A: 1/2 for b in the simplex, else ``1/4 + (1 + |b|) sqrt(6) / 9``.

    The latter from ``B = M^2 + sum of c_i D2 f_i`` (``li2023.third_derivative``).
    """
    if all(value >= 0 for value in data.target) and sum(data.target) == 1:
        return arb(1) / 2
    ball = ARITHMETICS["ball"]
    size: arb = ball.norm(array_of(data.target, ball))
    return arb(1) / 4 + (1 + size) * arb(6).sqrt() / 9


def _on_sphere(free: Sequence[sp.Symbol]) -> list[sp.Expr]:
    """A unit vector in stereographic coordinates, each in [-1, 1]: every direction up to its sign."""
    scale = 1 / (1 + sp.Add(*(t**2 for t in free)))
    return [*(2 * t * scale for t in free), 2 * scale - 1]


def _centred_basis(size: int) -> list[list[sp.Expr]]:
    """Orthonormal vectors orthogonal to (1, ..., 1): ``(1, ..., 1, -k, 0, ..., 0) / sqrt(k (k + 1))``."""
    return [
        [sp.Integer(1 if i < k else -k if i == k else 0) / sp.sqrt(k * (k + 1)) for i in range(size)]
        for k in range(1, size)
    ]
