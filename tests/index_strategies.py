"""Random expressions over two ranges of indices, for tests of what rewrites, differentiates or compiles them.

The indices of both ranges have the same names, and free indices coincide often: what mixes up ranges or captures an
index gives another value.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from hypothesis import strategies as st

from symicl import Coordinate, SumOver, System
from symicl.claims.pointwise import Point
from symicl.indices import Index
from symicl.systems.base import IndexRange
from symicl.testing import rationals

N = sp.Symbol("n", integer=True, positive=True)
D = sp.Symbol("d", integer=True, positive=True)
ROWS = IndexRange("rows", N, ("i", "l", "m", "h"))
COLUMNS = IndexRange("columns", D, ("j", "k", "r", "s"))
U, V, M = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "uvM")
SHAPES = {U: ("rows",), V: ("columns",), M: ("rows", "columns")}
FREE = tuple(Index(letter, over) for over in ("rows", "columns") for letter in "ij")
"""``i`` and ``j`` over the rows, and another ``i`` and ``j`` over the columns."""

Scope = tuple[sp.Symbol, ...]


def plain_system() -> System:
    """A system whose objective has all three quantities; what is trained is u."""
    i = FREE[0]
    objective = ROWS.sum(lambda a: U[a] ** 2) + ROWS.sum(lambda a: COLUMNS.sum(lambda c: M[a, c] * V[c]))
    return System("plain", "two ranges", objective, objective, (Coordinate(U[i]),), ranges=(ROWS, COLUMNS))


@st.composite
def expressions(draw: st.DrawFn, scope: Scope = FREE, depth: int = 3, *, logs: bool = False) -> sp.Expr:
    """Sums over either range (with an index left out or not), products, powers, exponentials, reciprocals, deltas."""
    kind = draw(st.sampled_from(["sum", "sum", "add", "mul", "square", "exp", "inverse"])) if depth else "leaf"
    if kind == "leaf":
        return draw(_leaves(scope))
    if kind == "sum":
        over = draw(st.sampled_from([ROWS, COLUMNS]))
        # The letter may be one that is free outside: it then hides it inside, as in any program.
        index = Index(draw(st.sampled_from("ijk")), over.name)
        left_out = [other for other in scope if other.over == over.name and other != index]
        excluded = draw(st.one_of(st.none(), st.sampled_from(left_out))) if left_out else None
        body = draw(expressions((*(s for s in scope if s != index), index), depth - 1, logs=logs))
        return SumOver(body, index, over.size, () if excluded is None else (excluded,))
    # SymPy makes a power of the exponential of a logarithm.
    first = draw(expressions(scope, depth - 1, logs=logs and kind != "exp"))
    if kind == "exp":  # of something small, so that nothing nested becomes huge
        return sp.exp(first / (1 + first**2))
    if kind == "square":
        return first**2
    if kind == "inverse":
        return sp.log(1 + first**2) if logs else 1 / (1 + first**2)
    second = draw(expressions(scope, depth - 1, logs=logs))
    return first + second if kind == "add" else first * second


@st.composite
def _leaves(draw: st.DrawFn, scope: Scope) -> sp.Expr:
    rows = [index for index in scope if index.over == "rows"]
    columns = [index for index in scope if index.over == "columns"]
    row, column = draw(st.sampled_from(rows)), draw(st.sampled_from(columns))
    kinds = [st.just(U[row]), st.just(V[column]), st.just(M[row, column]), rationals(-2, 2, max_denominator=3)]
    deltas = [st.just(sp.KroneckerDelta(same[0], draw(st.sampled_from(same)))) for same in (rows, columns)]
    return draw(st.one_of(*kinds, *deltas))


@st.composite
def places(draw: st.DrawFn) -> Point:
    """Sizes 1 to 3, entries within 2 of zero, and a position for every free index, equal ones often."""
    sizes = {"rows": draw(st.integers(1, 3)), "columns": draw(st.integers(1, 3))}
    entries = {base: draw(arrays([sizes[over] for over in shape])) for base, shape in SHAPES.items()}
    positions = {index: draw(st.integers(0, sizes[index.over] - 1)) for index in FREE}
    return Point({N: sp.Integer(sizes["rows"]), D: sp.Integer(sizes["columns"])}, entries, positions)


@st.composite
def arrays(draw: st.DrawFn, shape: list[int]) -> Any:
    """Nested tuples of small exact numbers."""
    if not shape:
        return draw(rationals(-2, 2, max_denominator=3))
    return tuple(draw(arrays(shape[1:])) for _ in range(shape[0]))
