"""Softmax regression: fit a vector b by the softmax of A x, training x or the matrix A.

The setting of "The Closeness of In-Context Learning and Weight Shifting for Softmax Regression" (arXiv 2304.13276), at
any number n of rows and d of columns. The loss below is the definition; everything else is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import sympy as sp

from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import Array, Coordinate, Definition, IndexRange, System

MATRIX = sp.IndexedBase(sp.Symbol("A", real=True))
POINT = sp.IndexedBase(sp.Symbol("x", real=True))
TARGET = sp.IndexedBase(sp.Symbol("b", real=True))
WEIGHTS = sp.IndexedBase(sp.Symbol("w", real=True))
SOFTMAX = sp.IndexedBase(sp.Symbol("f", real=True))
RESIDUAL = sp.IndexedBase(sp.Symbol("c", real=True))
LOGITS = sp.IndexedBase(sp.Symbol("z", real=True))
NORMALIZER = sp.Symbol("alpha", real=True)

SYMBOLS = (("alpha", r"\alpha"), ("loss", r"L_{\exp}"))

Exponents = Callable[[sp.Symbol], sp.Expr]
"""The exponent u_i of a row: ``(A x)_i``, or a logit ``z_i``."""


@dataclass(frozen=True)
class Shape:
    """The ranges of an n x d problem: ``rows`` 1..n, ``columns`` 1..d."""

    rows: IndexRange
    columns: IndexRange


def shape(n: sp.Expr, d: sp.Expr) -> Shape:
    """The index ranges for n rows and d columns, numbers or symbols."""
    return Shape(IndexRange("rows", n, ("i", "l", "m", "h")), IndexRange("columns", d, ("j", "k", "r", "s")))


def exponent(over: Shape, row: sp.Symbol) -> sp.Expr:
    """``(A x)_i``."""
    return over.columns.sum(lambda j: MATRIX[row, j] * POINT[j])


def softmax(exponents: Exponents, rows: IndexRange, row: sp.Symbol) -> sp.Expr:
    """``f_i = exp(u_i) / sum over l of exp(u_l)``."""
    return sp.exp(exponents(row)) / rows.sum(lambda i: sp.exp(exponents(i)))


def notation(exponents: Exponents, rows: IndexRange) -> tuple[Definition, ...]:
    """``alpha``, ``f`` and ``c`` as in arXiv 2304.13276."""
    i = rows.index("i")
    total = rows.sum(lambda row: sp.exp(exponents(row)))
    weight = sp.exp(exponents(i))
    return (
        Definition(NORMALIZER, total, (total, NORMALIZER)),
        Definition(SOFTMAX[i], weight / NORMALIZER, (weight, SOFTMAX[i] * NORMALIZER)),
        Definition(RESIDUAL[i], SOFTMAX[i] - TARGET[i], (TARGET[i], SOFTMAX[i] - RESIDUAL[i])),
    )


def squared_error(exponents: Exponents, rows: IndexRange) -> sp.Expr:
    """``|f - b|^2 / 2``."""
    return rows.sum(lambda i: (softmax(exponents, rows, i) - TARGET[i]) ** 2) / 2


def logit_regression(n: sp.Expr, *, id: str, title: str) -> System:
    """The loss ``|softmax(z) - b|^2 / 2`` as a system that trains the n logits ``z`` themselves."""
    rows = shape(n, sp.S.One).rows
    loss = squared_error(LOGITS.__getitem__, rows)
    i = rows.index("i")
    return System(
        id=id,
        title=title,
        loss=loss,
        objective=loss,
        coordinates=(Coordinate(LOGITS[i]),),
        ranges=(rows,),
        definitions=notation(LOGITS.__getitem__, rows),
        prediction=SOFTMAX[i],
        symbols=SYMBOLS,
    )


@dataclass(frozen=True)
class RegressionData:
    """Exact data of one problem: ``matrix`` n x d, ``target`` of n numbers, ``point`` of d numbers.

    ``weights`` are n numbers w that add ``|diag(w) A x|^2 / 2`` to the loss (arXiv 2304.10411), or None; ``train``
    names what is trained, "x" or "A".
    """

    matrix: Array
    target: Array
    point: Array
    weights: Array | None = None
    train: str = "x"


def softmax_regression(
    n: sp.Expr,
    d: sp.Expr,
    *,
    id: str,
    title: str,
    train: str = "x",
    regularized: bool = False,
) -> System:
    """The loss ``|softmax(A x) - b|^2 / 2`` as a system that trains ``x`` or ``A``; the rest is given.

    ``regularized`` adds ``sum over i of w_i^2 (A x)_i^2 / 2``. Raises ``InputError`` for a choice other than x and A.
    """
    if train not in ("x", "A"):
        raise InputError(f"there is no {train} to train", where=f"train={train!r}", remedy="train x or A")
    over = shape(n, d)
    i, j = over.rows.index("i"), over.columns.index("j")
    exponents = partial(exponent, over)
    loss = squared_error(exponents, over.rows)
    if regularized:
        loss += over.rows.sum(lambda i: WEIGHTS[i] ** 2 * exponents(i) ** 2) / 2
    return System(
        id=id,
        title=title,
        loss=loss,
        objective=loss,
        coordinates=(Coordinate(POINT[j] if train == "x" else MATRIX[i, j]),),
        ranges=(over.rows, over.columns),
        definitions=notation(exponents, over.rows),
        prediction=SOFTMAX[i],
        symbols=SYMBOLS,
    )


def on_data(data: RegressionData, *, id: str, title: str) -> System:
    """The system at exact data, which trains what the data name from where it is. Raises ``InputError``."""
    data = _checked(data, id)
    n, d = len(data.matrix), len(data.matrix[0])
    system = softmax_regression(
        sp.Integer(n), sp.Integer(d), id=id, title=title, train=data.train, regularized=data.weights is not None
    )
    moving, fixed = (data.point, (MATRIX, data.matrix)) if data.train == "x" else (data.matrix, (POINT, data.point))
    weights = () if data.weights is None else ((WEIGHTS, data.weights),)
    (coordinate,) = system.coordinates
    return replace(
        system,
        data=data,
        coordinates=(replace(coordinate, start=moving),),
        arrays=(fixed, (TARGET, data.target), *weights),
    )


def _checked(data: RegressionData, id: str) -> RegressionData:
    """The data as tuples of exact finite numbers of the right shapes. Raises ``InputError``."""
    lengths = {len(row) for row in data.matrix}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError("A has no entries, or rows of different lengths", where=id, remedy="give an n x d matrix")
    n, d = len(data.matrix), lengths.pop()
    for name, vector, length in (("b", data.target, n), ("x", data.point, d), ("w", data.weights, n)):
        if vector is not None and len(vector) != length:
            raise InputError(f"{name} has {len(vector)} numbers, and A is {n} x {d}", where=id, remedy=f"give {length}")
    return replace(
        data,
        matrix=tuple(_exact_vector("A", row, id) for row in data.matrix),
        target=_exact_vector("b", data.target, id),
        point=_exact_vector("x", data.point, id),
        weights=None if data.weights is None else _exact_vector("w", data.weights, id),
    )


def _exact_vector(name: str, values: Array, id: str) -> Array:
    numbers = tuple(map(exact, values))
    for number in numbers:
        if not number.is_Rational:
            raise InputError(f"an entry of {name} is {number}", where=id, remedy="give finite numbers")
    return numbers
