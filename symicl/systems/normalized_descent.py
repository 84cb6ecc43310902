"""Linear classification by gradient descent on the exponential loss, plain or normalised by the loss.

The setting of "A softmax layer is one step of normalised gradient descent" (arXiv 2605.06609): n points x_i with
labels y_i = 1 or -1 and the loss ``R(w) = sum over i of exp(-y_i w'x_i)``. A step of size eta along ``-grad R / R`` is
gradient descent on ``log R``, which is how it is stated here; everything else is derived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.grammar import exact
from symicl.separation import separate
from symicl.systems.base import Array, Coordinate, Definition, IndexRange, System

POINTS = sp.IndexedBase(sp.Symbol("x", real=True))
LABELS = sp.IndexedBase(sp.Symbol("y", real=True))
DIRECTION = sp.IndexedBase(sp.Symbol("w", real=True))
ATTENTION = sp.IndexedBase(sp.Symbol("a", real=True))
RISK = sp.Symbol("R", real=True)

OBJECTIVES = ("normalized", "plain")


class Least(sp.Min):
    """The least of some numbers, kept as it is written: SymPy's own compares every pair of them before it is one."""

    def __new__(cls, *numbers: sp.Expr, **_: object) -> sp.Expr:
        return sp.Expr.__new__(cls, *numbers)

    def _symicl_grammar(self, show: Callable[[sp.Expr], str]) -> str:
        return f"min({', '.join(map(show, self.args))})"

    def _sympystr(self, printer: Any) -> str:
        return self._symicl_grammar(printer._print)


@dataclass(frozen=True)
class Sizes:
    """The ranges of n points in d dimensions: ``data`` 1..n, ``coordinates`` 1..d."""

    data: IndexRange
    coordinates: IndexRange


def sizes(n: sp.Expr, d: sp.Expr) -> Sizes:
    """The index ranges for n points and d coordinates, numbers or symbols."""
    return Sizes(IndexRange("data", n, ("i", "l", "m", "h")), IndexRange("coordinates", d, ("j", "k", "r", "s")))


def margin(over: Sizes, i: sp.Symbol, direction: sp.IndexedBase = DIRECTION) -> sp.Expr:
    """``y_i w'x_i``."""
    return LABELS[i] * over.coordinates.sum(lambda j: POINTS[i, j] * direction[j])


def risk(over: Sizes, direction: sp.IndexedBase = DIRECTION) -> sp.Expr:
    """``R(w) = sum over i of exp(-y_i w'x_i)``."""
    return over.data.sum(lambda i: sp.exp(-margin(over, i, direction)))


def notation(over: Sizes) -> tuple[Definition, ...]:
    """``R``, and the attention ``a_i = exp(-y_i w'x_i) / R`` that a softmax layer pays to point i."""
    i = over.data.index("i")
    weight = sp.exp(-margin(over, i))
    total = risk(over)
    return (
        Definition(RISK, total, (total, RISK)),
        Definition(ATTENTION[i], weight / RISK, (weight, ATTENTION[i] * RISK)),
    )


def classification(n: sp.Expr, d: sp.Expr, *, id: str, title: str, objective: str = "normalized") -> System:
    """Gradient descent on ``log R`` ("normalized": steps of ``-eta grad R / R``) or on ``R`` ("plain"); the loss is R.

    Raises ``InputError`` for another objective.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"there is no objective {objective!r}", where=id, remedy=f"use {' or '.join(OBJECTIVES)}")
    over = sizes(n, d)
    total = risk(over)
    return System(
        id=id,
        title=title,
        loss=total,
        objective=sp.log(total) if objective == "normalized" else total,
        coordinates=(Coordinate(DIRECTION[over.coordinates.index("j")]),),
        ranges=(over.data, over.coordinates),
        definitions=notation(over),
    )


@dataclass(frozen=True)
class ClassificationData:
    """Exact data: ``points`` n x d, ``labels`` of n numbers 1 or -1, ``start`` of d numbers.

    ``objective`` is "normalized" or "plain".
    """

    points: Array
    labels: Array
    start: Array
    objective: str = "normalized"

    def signed(self) -> tuple[tuple[sp.Rational, ...], ...]:
        """The rows ``y_i x_i``."""
        return tuple(tuple(y * entry for entry in row) for y, row in zip(self.labels, self.points, strict=True))


def on_data(data: ClassificationData, *, id: str, title: str) -> System:
    """The system at exact data. Raises ``InputError`` for floats, and for data that do not fit together."""
    data = replace(
        data,
        points=tuple(_exact_vector("x", row, id) for row in data.points),
        labels=_exact_vector("y", data.labels, id),
        start=_exact_vector("w", data.start, id),
    )
    check_data(data, id)
    n, d = len(data.points), len(data.points[0])
    system = classification(sp.Integer(n), sp.Integer(d), id=id, title=title, objective=data.objective)
    (coordinate,) = system.coordinates
    return replace(
        system,
        data=data,
        coordinates=(replace(coordinate, start=data.start),),
        arrays=((POINTS, data.points), (LABELS, data.labels)),
        observables=_observables(data),
    )


def _exact_vector(name: str, values: Array, where: str) -> Array:
    numbers = tuple(map(exact, values))
    for number in numbers:
        if not number.is_Rational:
            raise InputError(f"an entry of {name} is {number}", where=where, remedy="give finite numbers")
    return numbers


def _observables(data: ClassificationData) -> tuple[tuple[str, sp.Expr], ...]:
    """``least`` of all ``y_i w'x_i``, and ``margin``, the same over ``|w|``.

    Where the data are separable also the ``gap`` of the margin to the best one, and ``turn``: 1 - cos of the angle to
    it.
    """
    w = [sp.Symbol(f"{DIRECTION}{position + 1}", real=True) for position in range(len(data.start))]
    length = sp.sqrt(sp.Add(*(entry**2 for entry in w)))
    least = Least(*(sp.Add(*(z * entry for z, entry in zip(row, w, strict=True))) for row in data.signed()))
    best = separate(data.signed())
    if not best.separable:
        return (("least", least), ("margin", least / length))
    norm = sp.sqrt(best.squared_margin)
    aligned = sp.Add(*(p * entry for p, entry in zip(best.point, w, strict=True))) / (norm * length)
    return (("least", least), ("margin", least / length), ("gap", norm - least / length), ("turn", 1 - aligned))


def check_data(data: ClassificationData, where: str) -> None:
    """Raise ``InputError`` for an empty data set, labels other than 1 and -1, and shapes that do not match."""
    if not data.points or not data.points[0]:
        raise InputError("the data set is empty", where=where, remedy="give at least one point of one coordinate")
    d = len(data.points[0])
    for position, row in enumerate(data.points):
        if len(row) != d:
            raise InputError(
                f"point {position} has {len(row)} coordinates, point 0 has {d}",
                where=f"{where}: x[{position}]",
                remedy="give every point as many",
            )
    if len(data.labels) != len(data.points):
        raise InputError(
            f"{len(data.labels)} labels for {len(data.points)} points", where=f"{where}: y", remedy="give one a point"
        )
    for position, label in enumerate(data.labels):
        if label not in (1, -1):
            raise InputError(f"the label is {label}", where=f"{where}: y[{position}]", remedy="labels are 1 or -1")
    if len(data.start) != d:
        raise InputError(f"the start has {len(data.start)} numbers, not {d}", where=f"{where}: w", remedy=f"give {d}")
